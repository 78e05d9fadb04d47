import { describe, expect, it } from 'vitest';
import { formatReference, formatRepositoryName, parseReference, withDefaultTag } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}`;
const SHA512 = `sha512:${'0123456789abcdef'.repeat(8)}`;

describe('parseReference', () => {
  it.each([
    // what the user wrote, domain, path, tag, digest
    ['busybox', 'docker.io', 'library/busybox', undefined, undefined],
    ['busybox:1.36', 'docker.io', 'library/busybox', '1.36', undefined],
    ['user/app', 'docker.io', 'user/app', undefined, undefined],
    ['a/b/c:t', 'docker.io', 'a/b/c', 't', undefined],
    ['docker.io/busybox', 'docker.io', 'library/busybox', undefined, undefined],
    ['docker.io/user/app', 'docker.io', 'user/app', undefined, undefined],
    ['index.docker.io/busybox', 'docker.io', 'library/busybox', undefined, undefined],
    ['index.docker.io/user/app:t', 'docker.io', 'user/app', 't', undefined],
    ['index.docker.io', 'docker.io', 'library/index.docker.io', undefined, undefined],
    ['localhost/app', 'localhost', 'app', undefined, undefined],
    ['localhost', 'docker.io', 'library/localhost', undefined, undefined],
    ['localhost:5000', 'docker.io', 'library/localhost', '5000', undefined],
    ['localhost:5000/app', 'localhost:5000', 'app', undefined, undefined],
    ['registry:5000/app:t', 'registry:5000', 'app', 't', undefined],
    ['registry/app', 'docker.io', 'registry/app', undefined, undefined],
    ['quay.io/org/app:v1', 'quay.io', 'org/app', 'v1', undefined],
    ['Registry/app', 'Registry', 'app', undefined, undefined],
    ['GHCR.io/org/app', 'GHCR.io', 'org/app', undefined, undefined],
    ['127.0.0.1:5000/a/b', '127.0.0.1:5000', 'a/b', undefined, undefined],
    ['[::1]/app', '[::1]', 'app', undefined, undefined],
    ['[2001:db8::1]:5000/app:t', '[2001:db8::1]:5000', 'app', 't', undefined],
    ['a.b-c.d/x__y/p-q---r/s.t_u', 'a.b-c.d', 'x__y/p-q---r/s.t_u', undefined, undefined],
    ['busybox:Tag_1.x-Y', 'docker.io', 'library/busybox', 'Tag_1.x-Y', undefined],
    [`busybox:${'t'.repeat(128)}`, 'docker.io', 'library/busybox', 't'.repeat(128), undefined],
    [`busybox@${SHA256}`, 'docker.io', 'library/busybox', undefined, SHA256],
    [`busybox:1@${SHA256}`, 'docker.io', 'library/busybox', '1', SHA256],
    [`[::1]:5000/app:1@${SHA512}`, '[::1]:5000', 'app', '1', SHA512],
    [`${'a'.repeat(64)}:t`, 'docker.io', `library/${'a'.repeat(64)}`, 't', undefined],
    [`docker.io/${'a'.repeat(64)}`, 'docker.io', `library/${'a'.repeat(64)}`, undefined, undefined],
    [`r.io/${'a'.repeat(250)}`, 'r.io', 'a'.repeat(250), undefined, undefined],
  ])('reads %s', (text, domain, path, tag, digest) => {
    expect(parseReference(text)).toEqual({ domain, path, tag, digest });
  });

  it.each([
    ['nothing', ''],
    ['a space', 'busy box'],
    ['a leading space', ' busybox'],
    ['a trailing newline', 'busybox\n'],
    ['an upper-case repository', 'docker.io/library/BusyBox'],
    ['an upper-case short name', 'BusyBox'],
    ['64 hex digits', 'a'.repeat(64)],
    ['an https URL', 'https://quay.io/org/app'],
    ['a docker URL', 'docker://quay.io/org/app'],
    ['a leading slash', '/app'],
    ['a trailing slash', 'quay.io/app/'],
    ['an empty component', 'quay.io/org//app'],
    ['a dot component', 'quay.io/./app'],
    ['a parent component', 'quay.io/../app'],
    ['a leading separator', 'quay.io/-app'],
    ['a trailing separator', 'quay.io/app_'],
    ['two dots', 'quay.io/a..b'],
    ['three underscores', 'quay.io/a___b'],
    ['mixed separators', 'quay.io/a._b'],
    ['an empty tag', 'busybox:'],
    ['a tag with a leading dot', 'busybox:.1'],
    ['a tag with a leading dash', 'busybox:-1'],
    ['a tag of 129 characters', `busybox:${'t'.repeat(129)}`],
    ['a tag with a slash', 'org/app:a/b'],
    ['two tags', 'busybox:a:b'],
    ['a digest without algorithm', `busybox@${'a'.repeat(64)}`],
    ['an empty digest', 'busybox@'],
    ['a short digest', 'busybox@sha256:abcd'],
    ['a digest in upper case', `busybox@${SHA256.toUpperCase()}`],
    ['an upper-case hex digit', `busybox@sha256:${'A'.repeat(64)}`],
    ['a sha512 digest of sha256 length', `busybox@sha512:${'a'.repeat(64)}`],
    ['an md5 digest', `busybox@md5:${'a'.repeat(32)}`],
    ['a digest that walks up', 'busybox@sha256:../../../etc/passwd'],
    ['two digests', `busybox@${SHA256}@${SHA256}`],
    ['only a tag', ':latest'],
    ['only a digest', `@${SHA256}`],
    ['a port that is no number', 'quay.io:http/app'],
    ['an empty port', 'quay.io:/app'],
    ['an empty host label', 'quay..io/app'],
    ['a host with a trailing dot', 'quay.io./app'],
    ['a host with a leading dash', '-quay.io/app'],
    ['a host with an underscore', 'my_host.io/app'],
    ['userinfo', 'user@quay.io/app'],
    ['an open bracket', '[::1/app'],
    ['a zone', '[fe80::1%eth0]/app'],
    ['an address without brackets', '2001:db8::1/app'],
    ['a name of 256 characters', `r.io/${'a'.repeat(251)}`],
    ['a letter beyond ASCII', 'quay.io/äpp'],
    ['a fullwidth slash', 'quay.io／app'],
    ['a query', 'quay.io/app?x=1'],
    ['100 kB', 'a'.repeat(100_000)],
  ])('refuses %s', async (_, text) => {
    await expectFailure('REFERENCE_INVALID', () => parseReference(text));
  });

  it('says how to write a URL as a reference', async () => {
    const error = await expectFailure('REFERENCE_INVALID', () => parseReference('docker://quay.io/app'));
    expect(error.hint).toBe('leave out the leading docker://');
  });
});

describe('formatReference', () => {
  it('writes the expanded name', () => {
    expect(formatReference(parseReference(`busybox:1@${SHA256}`))).toBe(`docker.io/library/busybox:1@${SHA256}`);
    expect(formatRepositoryName(parseReference('busybox:1'))).toBe('docker.io/library/busybox');
  });
});

describe('withDefaultTag', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1', 'docker.io/library/busybox:1'],
    [`busybox@${SHA256}`, `docker.io/library/busybox@${SHA256}`],
    [`busybox:1@${SHA256}`, `docker.io/library/busybox:1@${SHA256}`],
  ])('makes %s into %s', (text, expected) => {
    expect(formatReference(withDefaultTag(parseReference(text)))).toBe(expected);
  });
});
