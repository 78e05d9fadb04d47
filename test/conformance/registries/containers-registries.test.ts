import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { findRegistries, loadRegistries, resolveEndpoints } from '../../../src/config/index.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { formatReference, parseReference, withDefaultTag } from '../../../src/oci/index.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { runCommand } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const LOAD = { resources: createResourceLoader(), maxBytes: 1 << 20 };

const scratch = new Scratch('registries');
afterAll(() => scratch[Symbol.dispose]());

let homes = 0;

/**
 * Makes a home directory with a registries.conf of its own and drop-ins; no server listens at the ports that they name.
 */
function homeWith(main: string, dropIns: Readonly<Record<string, string>> = {}): string {
  homes += 1;
  const home = scratch.join(`home-${homes}`);
  const folder = `${home}/.config/containers`;
  mkdirSync(`${folder}/registries.conf.d`, { recursive: true });
  writeFileSync(`${folder}/registries.conf`, main);
  for (const [name, text] of Object.entries(dropIns)) writeFileSync(`${folder}/registries.conf.d/${name}`, text);
  return home;
}

/** The names that skopeo tries, in its order; undefined when it refuses the configuration or the name. */
async function skopeoTries(home: string, reference: string): Promise<readonly string[] | undefined> {
  const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home };
  const { stderr } = await runCommand('skopeo', ['--debug', 'inspect', `docker://${reference}`], { env });
  const tried = [...stderr.matchAll(/Trying to access \\"([^"\\]+)\\"/g)].map(([, name = '']) => name);
  const isRefused =
    /is blocked in|invalid|unsupported|conflicting|cannot set|both location and prefix|rewriting reference/i.test(
      stderr,
    );
  expect(tried.length > 0 || isRefused, stderr).toBe(true);
  return tried.length > 0 && !/is blocked in/.test(stderr) ? tried : undefined;
}

async function sealiftTries(home: string, reference: string): Promise<readonly string[] | undefined> {
  try {
    const registries = await loadRegistries(findRegistries(resolveConfiguration([]), { HOME: home }), LOAD);
    const endpoints = resolveEndpoints(registries, withDefaultTag(parseReference(reference)));
    return endpoints.map((endpoint) => formatReference(endpoint.reference));
  } catch (error) {
    if (error instanceof SealiftError && ['REGISTRIES_INVALID', 'REGISTRY_BLOCKED'].includes(error.code))
      return undefined;
    throw error;
  }
}

const RULES = `
[[registry]]
prefix = "example.invalid/foo"
location = "127.0.0.1:1/bar"
[[registry.mirror]]
location = "127.0.0.1:2/m"
insecure = true
[[registry.mirror]]
location = "127.0.0.1:3/tags"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "127.0.0.1:4/digests"
pull-from-mirror = "digest-only"

[[registry]]
prefix = "example.invalid"
location = "127.0.0.1:9"

[[registry]]
prefix = "*.wild.invalid"
location = "127.0.0.1:5"

[[registry]]
prefix = "*.deep.wild.invalid"
location = "127.0.0.1:6/deep"

[[registry]]
prefix = "docker.io"
location = "127.0.0.1:7"

[[registry]]
location = "127.0.0.1:8"
mirror-by-digest-only = true
[[registry.mirror]]
location = "127.0.0.1:10"

[[registry]]
location = "blocked.invalid/team"
blocked = true

[[registry]]
prefix = "moved.invalid"
location = "127.0.0.1:11/library"

[[registry]]
prefix = "bad.invalid"
location = "docker.io"
`;

describeWith(['skopeo'], 'skopeo and sealift try the same places', () => {
  const home = homeWith(RULES);

  it.each([
    'example.invalid/foo/image:1',
    'example.invalid/foo:1',
    'example.invalid/food:1',
    'example.invalid/foo',
    `example.invalid/foo@${DIGEST}`,
    'example.invalid/other/foo:1',
    'a.wild.invalid/x/y',
    'a.b.wild.invalid/x:1',
    'a.wild.invalid:5000/x:1',
    'a.deep.wild.invalid/x:1',
    'busybox',
    'docker.io/team/app:2',
    '127.0.0.1:8/x:1',
    `127.0.0.1:8/x@${DIGEST}`,
    'blocked.invalid/team/x:1',
    'moved.invalid/x:1',
    'bad.invalid/x:1',
    'bad.invalid/team/x:1',
  ])('for %s', async (reference) => {
    expect(await sealiftTries(home, reference)).toEqual(await skopeoTries(home, reference));
  });
});

describeWith(['skopeo'], 'skopeo and sealift read drop-ins alike', () => {
  const home = homeWith(
    '[[registry]]\nprefix = "a.invalid"\nlocation = "127.0.0.1:1"\n[[registry]]\nlocation = "127.0.0.1:3"',
    {
      '20-later.conf': '[[registry]]\nprefix = "a.invalid"\nlocation = "127.0.0.1:2"',
      '10-earlier.conf':
        '[[registry]]\nprefix = "a.invalid"\nlocation = "127.0.0.1:9"\n[[registry]]\nprefix = "b.invalid"\nlocation = "127.0.0.1:4"',
      'not-read.txt': '[[registry]]\nprefix = "b.invalid"\nlocation = "127.0.0.1:9"',
    },
  );

  it.each(['a.invalid/x:1', 'b.invalid/x:1', '127.0.0.1:3/x:1'])('for %s', async (reference) => {
    expect(await sealiftTries(home, reference)).toEqual(await skopeoTries(home, reference));
  });
});

describeWith(['skopeo'], 'skopeo and sealift refuse the same files', () => {
  it.each([
    ['a registry without a name', '[[registry]]\ninsecure = true'],
    ['a prefix without star and location', '[[registry]]\nprefix = "127.0.0.1:1"'],
    ['a URL as location', '[[registry]]\nlocation = "https://127.0.0.1:1"'],
    ['a mirror without location', '[[registry]]\nlocation = "127.0.0.1:1"\n[[registry.mirror]]\ninsecure = true'],
    [
      'an unknown use',
      '[[registry]]\nlocation = "127.0.0.1:1"\n[[registry.mirror]]\nlocation = "127.0.0.1:2"\npull-from-mirror = "x"',
    ],
    [
      'two uses',
      '[[registry]]\nlocation = "127.0.0.1:1"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "127.0.0.1:2"\npull-from-mirror = "all"',
    ],
    [
      'one location, insecure and not',
      '[[registry]]\nprefix = "a.io"\nlocation = "127.0.0.1:1"\ninsecure = true\n[[registry]]\nlocation = "127.0.0.1:1"',
    ],
  ])('with %s', async (_, text) => {
    const home = homeWith(text);
    expect(await sealiftTries(home, '127.0.0.1:1/x:1')).toBeUndefined();
    expect(await skopeoTries(home, '127.0.0.1:1/x:1')).toBeUndefined();
  });

  it('and take the one that all of them were made from', async () => {
    const home = homeWith('[[registry]]\nlocation = "127.0.0.1:1"\n[[registry.mirror]]\nlocation = "127.0.0.1:2"');
    const places = ['127.0.0.1:2/x:1', '127.0.0.1:1/x:1'];
    expect(await sealiftTries(home, '127.0.0.1:1/x:1')).toEqual(places);
    expect(await skopeoTries(home, '127.0.0.1:1/x:1')).toEqual(places);
  });
});
