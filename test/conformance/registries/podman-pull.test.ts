import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findRegistries, loadRegistries, resolveEndpoints, resolveShortName } from '../../../src/config/index.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { formatReference, parseReference, withDefaultTag } from '../../../src/oci/index.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { runCommand } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const LOAD = { resources: createResourceLoader(), maxBytes: 1 << 20 };

/** The registries are empty, so that podman asks each endpoint of a name once, as it would for an image that exists. */
describeWith(['root', 'podman'], 'podman pull and sealift', () => {
  const scratch = new Scratch('podman');
  const registries: FakeRegistry[] = [];
  let homes = 0;

  beforeAll(async () => {
    for (let count = 0; count < 3; count++) registries.push(await startFakeRegistry());
  });

  afterAll(async () => {
    for (const registry of registries) await registry.close();
    scratch[Symbol.dispose]();
  });

  /** `{a}`, `{b}` and `{c}` stand for the three registries. */
  const filled = (text: string) =>
    text.replace(/\{([abc])\}/g, (_, letter: string) => registries['abc'.indexOf(letter)]?.host ?? '');

  function homeWith(conf: string): string {
    homes += 1;
    const home = scratch.join(`home-${homes}`);
    mkdirSync(`${home}/.config/containers/registries.conf.d`, { recursive: true });
    const isOpen = registries.map(({ host }) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`).join('');
    writeFileSync(`${home}/.config/containers/registries.conf`, `${filled(conf)}\n${isOpen}`);
    writeFileSync(`${home}/.config/containers/policy.json`, '{"default":[{"type":"insecureAcceptAnything"}]}');
    return home;
  }

  /** The names that podman tries, in its order; none when it refuses. */
  async function podmanTries(home: string, reference: string): Promise<readonly string[]> {
    const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home };
    const folders = ['--root', `${home}/root`, '--runroot', `${home}/run`, '--storage-driver', 'vfs'];
    const { code, stderr } = await runCommand('podman', [...folders, '--log-level=debug', 'pull', reference], { env });
    expect(code, stderr).not.toBe(0);
    const tried = [...stderr.matchAll(/Trying to access \\"([^"\\]+)\\"/g)].map(([, name = '']) => name);
    const isRefused = /is blocked in|short-name|did not resolve|invalid reference|unqualified/i.test(stderr);
    expect(tried.length > 0 || isRefused, stderr).toBe(true);
    // podman prints this for a blocked name as well, and then does not ask for it.
    return /is blocked in/.test(stderr) ? [] : tried;
  }

  async function sealiftTries(home: string, reference: string): Promise<readonly string[]> {
    const found = await loadRegistries(findRegistries(resolveConfiguration([]), { HOME: home }), LOAD);
    try {
      const names = resolveShortName(found, reference);
      const endpoints = names.flatMap((name) => resolveEndpoints(found, withDefaultTag(parseReference(name))));
      return endpoints.map((endpoint) => formatReference(endpoint.reference));
    } catch (error) {
      if (error instanceof SealiftError && ['REGISTRY_BLOCKED', 'REFERENCE_UNQUALIFIED'].includes(error.code))
        return [];
      throw error;
    }
  }

  const REGISTRIES_CONF = `
unqualified-search-registries = ["{a}", "{b}"]
short-name-mode = "permissive"
[aliases]
"web" = "{c}/some/web"
"team/web" = "{b}/other"
[[registry]]
prefix = "example.invalid/foo"
location = "{b}/bar"
insecure = true
[[registry.mirror]]
location = "{a}/m"
insecure = true
[[registry.mirror]]
location = "{c}/digests"
pull-from-mirror = "digest-only"
insecure = true
[[registry]]
location = "blocked.invalid"
blocked = true
[[registry]]
prefix = "*.wild.invalid"
location = "{c}/wild"
insecure = true
`;

  it.each([
    ['example.invalid/foo/image:1', ['{a}/m/image:1', '{b}/bar/image:1']],
    [`example.invalid/foo@${DIGEST}`, [`{a}/m@${DIGEST}`, `{c}/digests@${DIGEST}`, `{b}/bar@${DIGEST}`]],
    ['a.b.wild.invalid/x', ['{c}/wild/x:latest']],
    ['blocked.invalid/x:1', []],
    ['{b}/direct:1', ['{b}/direct:1']],
    ['web', ['{c}/some/web:latest']],
    ['web:2', ['{c}/some/web:2']],
    ['team/web:2', ['{b}/other:2']],
    ['team/app', ['{a}/team/app:latest', '{b}/team/app:latest']],
    ['app:3', ['{a}/app:3', '{b}/app:3']],
    [`app@${DIGEST}`, [`{a}/app@${DIGEST}`, `{b}/app@${DIGEST}`]],
  ])('ask the same places for %s', async (reference, names) => {
    const home = homeWith(REGISTRIES_CONF);
    const name = filled(reference);
    expect(await sealiftTries(home, name)).toEqual(names.map(filled));
    expect(await podmanTries(home, name)).toEqual(names.map(filled));
  });

  it.each([
    [
      'two registries to choose from, which enforcing forbids',
      'unqualified-search-registries = ["{a}", "{b}"]\nshort-name-mode = "enforcing"',
    ],
    ['an empty list of registries', 'unqualified-search-registries = []'],
  ])('refuse a short name with %s', async (_, conf) => {
    const home = homeWith(conf);
    expect(await sealiftTries(home, 'app:3')).toEqual([]);
    expect(await podmanTries(home, 'app:3')).toEqual([]);
  });
});
