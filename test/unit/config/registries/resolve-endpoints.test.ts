import { describe, expect, it } from 'vitest';
import { resolveEndpoints } from '../../../../src/config/index.ts';
import { mergeRegistries } from '../../../../src/config/registries/merge-registries.ts';
import { parseRegistries } from '../../../../src/config/registries/parse-registries.ts';
import { NO_REGISTRIES } from '../../../../src/config/registries/types.ts';
import { formatReference, parseReference } from '../../../../src/oci/index.ts';
import { expectFailure } from '../../../support/matchers.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

const registriesOf = (text: string) =>
  mergeRegistries([parseRegistries({ text, origin: '/r.conf', dialect: 'containers' })]);

function endpointsOf(text: string, reference: string) {
  return resolveEndpoints(registriesOf(text), parseReference(reference));
}

const namesOf = (text: string, reference: string): string[] =>
  endpointsOf(text, reference).map((endpoint) => formatReference(endpoint.reference));

const EXAMPLE = `
[[registry]]
prefix = "example.com/foo"
location = "internal-registry-for-example.com/bar"
[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"
[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true
[[registry]]
location = "registry.com"
[[registry.mirror]]
location = "mirror.registry.com"
`;

describe('resolveEndpoints', () => {
  it('returns the name itself without configuration', () => {
    expect(resolveEndpoints(NO_REGISTRIES, parseReference('a.io/x:1'))).toMatchObject([
      { reference: { domain: 'a.io', path: 'x', tag: '1' }, insecure: false, class: 'measured' },
    ]);
  });

  it('returns the mirrors in their order and the location last, as in the manual page', () => {
    const endpoints = endpointsOf(EXAMPLE, 'example.com/foo/image:latest');
    expect(endpoints.map(({ reference, insecure }) => [formatReference(reference), insecure])).toEqual([
      ['example-mirror-0.local/mirror-for-foo/image:latest', false],
      ['example-mirror-1.local/mirrors/foo/image:latest', true],
      ['internal-registry-for-example.com/bar/image:latest', false],
    ]);
  });

  it('returns the mirrors of one rule only', () => {
    expect(namesOf(EXAMPLE, 'registry.com/image:latest')).toEqual([
      'mirror.registry.com/image:latest',
      'registry.com/image:latest',
    ]);
    expect(namesOf(EXAMPLE, 'example.com/food/image:1')).toEqual(['example.com/food/image:1']);
  });

  it('lets the longest prefix win, wherever it stands', () => {
    const rules = ['a.io/x/y', 'a.io', 'a.io/x'].map(
      (prefix) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${prefix.length}.io"`,
    );
    for (const text of [rules.join('\n'), rules.toReversed().join('\n')]) {
      expect(namesOf(text, 'a.io/x/y/z:1')).toEqual(['8.io/z:1']);
      expect(namesOf(text, 'a.io/x/z:1')).toEqual(['6.io/z:1']);
      expect(namesOf(text, 'a.io/z:1')).toEqual(['4.io/z:1']);
    }
  });

  it.each([
    ['*.example.com', 'mirror.io/all', 'a.b.example.com/x/y:1', 'mirror.io/all/x/y:1'],
    ['*.example.com', 'mirror.io', 'a.example.com:5000/x:1', 'mirror.io:5000/x:1'],
    ['example.com', 'mirror.io:5000', 'example.com/x:1', 'mirror.io:5000/x:1'],
    ['example.com:5000', 'mirror.io', 'example.com:5000/x:1', 'mirror.io/x:1'],
    ['example.com/x', 'mirror.io/y', 'example.com/x:1', 'mirror.io/y:1'],
    ['docker.io', 'mirror.io', 'busybox', 'mirror.io/library/busybox'],
    ['docker.io/library', 'mirror.io', 'busybox', 'mirror.io/busybox'],
    ['example.com', 'docker.io', 'example.com/team/x:1', 'docker.io/team/x:1'],
    ['example.com/x:1', 'mirror.io/y:1', 'example.com/x:1', 'mirror.io/y:1'],
  ])('replaces the prefix by the location: %s → %s', (prefix, location, name, expected) => {
    expect(namesOf(`[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"`, name)).toEqual([expected]);
  });

  it('keeps tag and digest at every endpoint', () => {
    const text = '[[registry]]\nprefix = "a.io"\nlocation = "b.io/c"';
    expect(namesOf(text, `a.io/x:1@${DIGEST}`)).toEqual([`b.io/c/x:1@${DIGEST}`]);
  });

  it('keeps the name for a rule without a location, and returns its mirrors', () => {
    const text = '[[registry]]\nprefix = "*.a.io"\ninsecure = true\n[[registry.mirror]]\nlocation = "m.io"';
    expect(
      endpointsOf(text, 'x.a.io/y:1').map(({ reference, insecure }) => [formatReference(reference), insecure]),
    ).toEqual([
      ['m.io/y:1', false],
      ['x.a.io/y:1', true],
    ]);
  });

  it('returns mirrors for tags or digests according to their use', () => {
    const text = `
[[registry]]
location = "a.io"
[[registry.mirror]]
location = "all.io"
[[registry.mirror]]
location = "tags.io"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "digests.io"
pull-from-mirror = "digest-only"`;
    expect(namesOf(text, 'a.io/x:1')).toEqual(['all.io/x:1', 'tags.io/x:1', 'a.io/x:1']);
    expect(namesOf(text, 'a.io/x')).toEqual(['all.io/x', 'tags.io/x', 'a.io/x']);
    for (const name of [`x@${DIGEST}`, `x:1@${DIGEST}`]) {
      expect(namesOf(text, `a.io/${name}`)).toEqual([`all.io/${name}`, `digests.io/${name}`, `a.io/${name}`]);
    }
  });

  it('returns no mirror for a tag if they serve digests only', () => {
    const text =
      '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.io"';
    expect(namesOf(text, 'a.io/x:1')).toEqual(['a.io/x:1']);
    expect(namesOf(text, `a.io/x@${DIGEST}`)).toEqual([`m.io/x@${DIGEST}`, `a.io/x@${DIGEST}`]);
  });

  it.each([
    ['a.io', 'a.io/x:1'],
    ['a.io', 'a.io:5000/x:1'],
    ['a.io', 'A.IO/x:1'],
    ['a.io/x', `a.io/x@${DIGEST}`],
    ['a.io/x:1', `a.io/x:1@${DIGEST}`],
    [`a.io/x@${DIGEST}`, `a.io/x:1@${DIGEST}`],
    ['docker.io', 'busybox'],
  ])('refuses a blocked name: %s has %s', async (location, name) => {
    const error = await expectFailure('REGISTRY_BLOCKED', () =>
      namesOf(`[[registry]]\nlocation = "${location}"\nblocked = true`, name),
    );
    expect(error.kind).toBe('denied');
    expect(error.context).toEqual({ prefix: location, origin: '/r.conf' });
  });

  it('refuses a name that a prefix with a star blocks', async () => {
    const text = '[[registry]]\nprefix = "*.a.io"\nblocked = true';
    await expectFailure('REGISTRY_BLOCKED', () => namesOf(text, 'b.c.a.io/x:1'));
    expect(namesOf(text, 'a.io/x:1')).toEqual(['a.io/x:1']);
  });

  it('allows a name with a longer prefix than the one that is blocked', () => {
    const text = '[[registry]]\nlocation = "a.io"\nblocked = true\n[[registry]]\nlocation = "a.io/open"';
    expect(namesOf(text, 'a.io/open/x:1')).toEqual(['a.io/open/x:1']);
  });

  it('leaves out a blocked mirror, and refuses if no other endpoint is left', async () => {
    const blocked = '[[registry]]\nlocation = "m.io"\nblocked = true\n';
    const mirrored = `${blocked}[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"`;
    expect(namesOf(mirrored, 'a.io/x:1')).toEqual(['a.io/x:1']);
    const moved = `${blocked}[[registry]]\nprefix = "a.io"\nlocation = "m.io/a"`;
    await expectFailure('REGISTRY_BLOCKED', () => namesOf(moved, 'a.io/x:1'));
  });

  it.each([
    ['library/ on docker.io is left out', 'docker.io', 'a.io/x:1'],
    ['the host is left out', 'mirror', 'a.io/x:1'],
    ['a port would follow a path', 'm.io/all', 'a.io:5000/x:1'],
  ])('refuses a location where %s', async (_, location, name) => {
    const text = `[[registry]]\nprefix = "a.io"\nlocation = "${location}"`;
    await expectFailure('REGISTRIES_INVALID', () => namesOf(text, name));
  });
});
