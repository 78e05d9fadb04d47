import { describe, expect, it } from 'vitest';
import { matchPrefix } from '../../../../src/config/registries/match-prefix.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

describe('matchPrefix', () => {
  it.each([
    ['docker.io', 'docker.io'],
    ['example.com:5000', 'example.com:5000'],
    ['example.com/foo', 'example.com'],
    ['example.com/foo/bar', 'example.com'],
    ['example.com/foo/bar:baz', 'example.com'],
    [`example.com/foo/bar@${DIGEST}`, 'example.com'],
    ['docker.io/library', 'docker.io/library'],
    ['docker.io/library/busybox', 'docker.io/library'],
    ['docker.io/library/busybox', 'docker.io/library/busybox'],
    ['docker.io/library/busybox:1', 'docker.io/library/busybox'],
    ['example.com/foo:bar', 'example.com/foo:bar'],
    [`example.com/foo:bar@${DIGEST}`, 'example.com/foo:bar'],
    [`example.com/foo@${DIGEST}`, `example.com/foo@${DIGEST}`],
    ['Example.COM/foo', 'example.com'],
    ['example.com/foo', 'EXAMPLE.com/foo'],
  ])('%s begins with %s', (name, prefix) => {
    expect(matchPrefix(name, prefix)).toBe(prefix.length);
  });

  it.each([
    ['docker.io', 'example.com'],
    ['example.com:50000', 'example.com:5000'],
    ['docker.io', 'docker.io/library'],
    ['example.com/library', 'docker.io/library'],
    ['docker.io/libraryy', 'docker.io/library'],
    ['docker.io/library/busybox2', 'docker.io/library/busybox'],
    ['evil-example.com/foo', 'example.com'],
    ['mirror.io/example.com/foo', 'example.com'],
    ['example.com.evil.io/foo', 'example.com'],
    ['example.com/Foo', 'example.com/foo'],
    ['example.com/foo', 'example.com/foo:bar'],
    ['example.com/foo:bar2', 'example.com/foo:bar'],
    ['example.com/foo', `example.com/foo@${DIGEST}`],
  ])('%s does not begin with %s', (name, prefix) => {
    expect(matchPrefix(name, prefix)).toBeUndefined();
  });

  it('takes a host without port for that host with any port', () => {
    expect(matchPrefix('example.com:5000/foo', 'example.com')).toBe('example.com'.length);
  });

  it.each([
    ['foo.example.com', 'foo.example.com'],
    ['foo.example.com/bar', 'foo.example.com'],
    ['foo.bar.example.com/baz:1', 'foo.bar.example.com'],
    ['foo.example.com:5000/bar/baz', 'foo.example.com'],
    [`foo.example.com/bar@${DIGEST}`, 'foo.example.com'],
    ['a.example.com.example.com/x', 'a.example.com.example.com'],
    ['FOO.Example.com/bar', 'FOO.Example.com'],
  ])('*.example.com stands for the whole host of %s', (name, host) => {
    expect(matchPrefix(name, '*.example.com')).toBe(host.length);
  });

  it.each(['example.com/foo', 'fooexample.com/foo', 'docker.io/foo.example.com', 'foo.example.com.evil.io/bar'])(
    '*.example.com does not match %s',
    (name) => {
      expect(matchPrefix(name, '*.example.com')).toBeUndefined();
    },
  );
});
