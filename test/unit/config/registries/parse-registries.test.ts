import { describe, expect, it } from 'vitest';
import { mergeRegistries } from '../../../../src/config/registries/merge-registries.ts';
import { parseRegistries } from '../../../../src/config/registries/parse-registries.ts';
import { expectFailure } from '../../../support/matchers.ts';

const parse = (text: string, dialect: 'containers' | 'image-rs' = 'containers') =>
  parseRegistries({ text, origin: '/r.conf', dialect });

/** The example of containers-registries.conf(5). */
const EXAMPLE = `
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
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

describe('a registries.conf', () => {
  it('reads the example of its manual page', () => {
    const { rules, searchRegistries } = parse(EXAMPLE);
    expect(searchRegistries).toEqual(['example.com']);
    expect(rules).toEqual([
      {
        prefix: 'example.com/foo',
        location: 'internal-registry-for-example.com/bar',
        insecure: false,
        blocked: false,
        mirrors: [
          { location: 'example-mirror-0.local/mirror-for-foo', insecure: false, use: 'all' },
          { location: 'example-mirror-1.local/mirrors/foo', insecure: true, use: 'all' },
        ],
        origin: '/r.conf',
      },
      {
        prefix: 'registry.com',
        location: 'registry.com',
        insecure: false,
        blocked: false,
        mirrors: [{ location: 'mirror.registry.com', insecure: false, use: 'all' }],
        origin: '/r.conf',
      },
    ]);
  });

  it('sets nothing when it is empty, and ignores unknown keys', () => {
    const nothing = { rules: [], searchRegistries: undefined, shortNameMode: undefined, aliases: new Map() };
    expect(parse('')).toEqual(nothing);
    expect(parse('credential-helpers = ["x"]\nsomething = 1\nshort-name-mode = ""')).toEqual(nothing);
  });

  it('removes slashes at the end of prefixes and locations', () => {
    const { rules } = parse('[[registry]]\nprefix = "a.io/x/"\nlocation = "b.io//"');
    expect(rules).toMatchObject([{ prefix: 'a.io/x', location: 'b.io' }]);
  });

  it('lets only a prefix with a star keep its names', () => {
    expect(parse('[[registry]]\nprefix = "*.a.io"').rules).toMatchObject([{ prefix: '*.a.io', location: undefined }]);
  });

  it('reads for which references a mirror is asked', () => {
    const uses = (table: string, mirror: string) =>
      parse(`[[registry]]\nlocation = "a.io"\n${table}\n[[registry.mirror]]\nlocation = "m.io"\n${mirror}`).rules[0]
        ?.mirrors;
    expect(uses('', '')).toMatchObject([{ use: 'all' }]);
    expect(uses('', 'pull-from-mirror = ""')).toMatchObject([{ use: 'all' }]);
    expect(uses('', 'pull-from-mirror = "tag-only"')).toMatchObject([{ use: 'tag-only' }]);
    expect(uses('', 'pull-from-mirror = "digest-only"')).toMatchObject([{ use: 'digest-only' }]);
    expect(uses('mirror-by-digest-only = true', '')).toMatchObject([{ use: 'digest-only' }]);
  });

  it.each([
    ['no TOML', '[[registry'],
    ['a key twice', 'short-name-mode = "disabled"\nshort-name-mode = "enforcing"'],
    ['version 1', "[registries.search]\nregistries = ['a.io']"],
    ['version 1 beside version 2', "[registries.block]\nregistries = ['a.io']\n[[registry]]\nlocation = 'b.io'"],
    ['a registry without a name', '[[registry]]\ninsecure = true'],
    ['a prefix without star and location', '[[registry]]\nprefix = "a.io"'],
    ['a URL as location', '[[registry]]\nlocation = "https://a.io"'],
    ['a URL as prefix', '[[registry]]\nprefix = "http://a.io"\nlocation = "b.io"'],
    ['a location that begins with no host', '[[registry]]\nprefix = "a.io"\nlocation = "-b/c"'],
    ['a star inside', '[[registry]]\nprefix = "a.*.io"\nlocation = "b.io"'],
    ['a star with a path', '[[registry]]\nprefix = "*.a.io/foo"\nblocked = true'],
    ['a star with a port', '[[registry]]\nprefix = "*.a.io:5000"\nblocked = true'],
    ['a star alone', '[[registry]]\nprefix = "*"\nblocked = true'],
    ['a mirror without location', '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\ninsecure = true'],
    [
      'an unknown use',
      '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "x"',
    ],
    ['a use outside of a mirror', '[[registry]]\nlocation = "a.io"\npull-from-mirror = "all"'],
    [
      'two uses',
      '[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "all"',
    ],
    ['one prefix twice', '[[registry]]\nlocation = "a.io"\n[[registry]]\nprefix = "a.io"\nlocation = "b.io"'],
    [
      'one location, insecure and not',
      '[[registry]]\nprefix = "a.io"\nlocation = "c.io"\ninsecure = true\n[[registry]]\nprefix = "b.io"\nlocation = "c.io"',
    ],
    [
      'one location, blocked and not',
      '[[registry]]\nprefix = "a.io"\nlocation = "c.io"\nblocked = true\n[[registry]]\nprefix = "b.io"\nlocation = "c.io"',
    ],
    ['another tag in its location', '[[registry]]\nprefix = "a.io/x:1"\nlocation = "b.io/x:2"'],
    ['a tag in its location only', '[[registry]]\nprefix = "a.io/x"\nlocation = "b.io/x:2"'],
    ['text instead of a boolean', '[[registry]]\nlocation = "a.io"\nblocked = "true"'],
    ['a search registry with a path', 'unqualified-search-registries = ["a.io/x"]'],
    ['an unknown mode', 'short-name-mode = "always"'],
    ['an alias with a host', '[aliases]\n"a.io/x" = "b.io/x"'],
    ['an alias with a tag', '[aliases]\n"x:1" = "b.io/x"'],
    ['an alias for a short name', '[aliases]\n"x" = "y/x"'],
    ['an alias for a tag', '[aliases]\n"x" = "b.io/x:1"'],
  ])('refuses %s', async (_, text) => {
    const error = await expectFailure('REGISTRIES_INVALID', () => parse(text));
    expect(error.message).toContain('/r.conf');
  });
});

describe('the registries of image-rs', () => {
  it('may name a prefix and keep its names', () => {
    expect(parse('[[registry]]\nprefix = "a.io"\nblocked = true', 'image-rs').rules).toMatchObject([
      { prefix: 'a.io', location: undefined, blocked: true },
    ]);
  });

  it('need a prefix or a location, and a location for each mirror', async () => {
    await expectFailure('REGISTRIES_INVALID', () => parse('[[registry]]\nblocked = true', 'image-rs'));
    await expectFailure('REGISTRIES_INVALID', () =>
      parse('[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = ""', 'image-rs'),
    );
  });
});

describe('drop-ins', () => {
  const merge = (...texts: string[]) => mergeRegistries(texts.map((text) => parse(text)));

  it('replace rules with the same prefix whole, and add others', () => {
    const { rules } = merge(
      '[[registry]]\nlocation = "a.io"\nblocked = true\n[[registry]]\nlocation = "b.io"\ninsecure = true',
      '[[registry]]\nlocation = "a.io"\n[[registry]]\nlocation = "c.io"',
    );
    expect(rules.map(({ prefix, blocked, insecure }) => [prefix, blocked, insecure])).toEqual([
      ['a.io', false, false],
      ['b.io', false, true],
      ['c.io', false, false],
    ]);
  });

  it('replace lists and modes where they have one', () => {
    const first = 'unqualified-search-registries = ["a.io"]\nshort-name-mode = "enforcing"';
    expect(merge(first, '')).toMatchObject({ searchRegistries: ['a.io'], shortNameMode: 'enforcing' });
    const second = 'unqualified-search-registries = []\nshort-name-mode = "disabled"';
    expect(merge(first, second)).toMatchObject({ searchRegistries: [], shortNameMode: 'disabled' });
  });

  it('add aliases, replace them, and remove them with an empty name', () => {
    const { aliases } = merge(
      '[aliases]\n"x" = "a.io/x"\n"y" = "a.io/y"\n"z" = "a.io/z"',
      '[aliases]\n"x" = "b.io/x"\n"y" = ""\n"busybox" = "docker.io/busybox"',
    );
    expect([...aliases]).toEqual([
      ['x', 'b.io/x'],
      ['z', 'a.io/z'],
      ['busybox', 'docker.io/library/busybox'],
    ]);
  });
});
