import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadDaemonRegistries, resolveEndpoints } from '../../../../src/config/index.ts';
import { formatReference, parseReference } from '../../../../src/oci/index.ts';
import { createResourceLoader } from '../../../../src/resources/index.ts';
import { resolveSample } from '../../../support/daemons/daemon-texts.ts';
import { Scratch } from '../../../support/machine/scratch.ts';
import { expectFailure } from '../../../support/matchers.ts';

const LOAD = { resources: createResourceLoader(), maxBytes: 1 << 20 };

async function namesOf(toml: string, reference: string): Promise<readonly string[]> {
  const registries = await loadDaemonRegistries(resolveSample({ toml }), LOAD);
  return resolveEndpoints(registries, parseReference(reference)).map((each) => formatReference(each.reference));
}

/** The rules in image-rs's own tests, in both spellings. */
const RULES = (table: string) => `
${table === '' ? '' : `[${table}]`}
unqualified-search-registries = ["docker.io"]
[[${table === '' ? '' : `${table}.`}registry]]
prefix = "example.com/banned"
blocked = true
[[${table === '' ? '' : `${table}.`}registry]]
prefix = "remapping-test.com"
location = "127.0.0.1:5000"
insecure = true
[[${table === '' ? '' : `${table}.`}registry]]
location = "mirror-test.com"
[[${table === '' ? '' : `${table}.`}registry.mirror]]
location = "127.0.0.1:5000"
insecure = true
`;

async function expectRules(toml: string): Promise<unknown> {
  expect(await namesOf(toml, 'remapping-test.com/some-image:1')).toEqual(['127.0.0.1:5000/some-image:1']);
  expect(await namesOf(toml, 'mirror-test.com/some-image:1')).toEqual([
    '127.0.0.1:5000/some-image:1',
    'mirror-test.com/some-image:1',
  ]);
  expect(await namesOf(toml, 'example.com/banned-suffix:1')).toEqual(['example.com/banned-suffix:1']);
  expect(await namesOf(toml, 'evil-mirror-test.com/x:1')).toEqual(['evil-mirror-test.com/x:1']);
  return expectFailure('REGISTRY_BLOCKED', () => namesOf(toml, 'example.com/banned:1'));
}

describe('registries in the [image] table', () => {
  it('hold inline', async () => {
    const toml = RULES('image.registry_config');
    await expectRules(toml);
    const { pullObstacles, warnings, imageRegistries } = resolveSample({ toml });
    expect([pullObstacles, warnings]).toEqual([[], []]);
    expect(imageRegistries).toMatchObject({ class: 'measured', origin: 'file /c.toml' });
  });

  it('hold in the named file, which is read for each pull', async () => {
    using scratch = new Scratch('registries');
    const toml = `[image]\nregistry_configuration_uri = "file://${scratch.join('r.toml')}"`;
    expect(resolveSample({ toml }).pullObstacles).toEqual([]);
    await expectFailure('REGISTRIES_INVALID', () => namesOf(toml, 'a.io/x:1'));
    writeFileSync(scratch.join('r.toml'), RULES(''));
    await expectRules(toml);
    writeFileSync(scratch.join('r.toml'), '[[registry]]\nlocation = 1');
    await expectFailure('REGISTRIES_INVALID', () => namesOf(toml, 'a.io/x:1'));
  });

  it('are the inline ones if both exist, and a warning says so', async () => {
    const toml = `[image]\nregistry_configuration_uri = "kbs:///a/b/c"\n${RULES('image.registry_config')}`;
    const { warnings, pullObstacles } = resolveSample({ toml });
    expect(warnings).toEqual([expect.stringContaining('registry_configuration_uri: ignored')]);
    expect(pullObstacles).toEqual([]);
    await expectRules(toml);
  });

  it('prevent the start when they are invalid, because the file is measured', async () => {
    for (const table of ['blocked = true', 'prefix = "*"', 'location = 1']) {
      const toml = `[[image.registry_config.registry]]\n${table}`;
      const error = await expectFailure('REGISTRIES_INVALID', () => resolveSample({ toml }));
      expect(error.message).toContain('/c.toml, image.registry_config');
    }
  });

  it.each(['registry_config = {}', 'registry_configuration_uri = "file:///x"'])(
    'are an error beside those of [pull]: %s',
    async (line) => {
      for (const key of ['registries_conf', 'registries_conf_d']) {
        const toml = `[pull]\n${key} = "/x"\n[image]\n${line}`;
        await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ toml }));
      }
    },
  );
});

describe('registries in the [pull] table of the daemon', () => {
  it('are the named registries.conf and its drop-ins; no other file is searched for', async () => {
    using scratch = new Scratch('registries');
    mkdirSync(scratch.join('conf.d'));
    writeFileSync(scratch.join('registries.conf'), '[[registry]]\nprefix = "a.io"\nlocation = "b.io"');
    writeFileSync(scratch.join('conf.d/1.conf'), '[[registry]]\nprefix = "c.io"\nlocation = "d.io"');
    const file = `[pull]\nregistries_conf = "${scratch.join('registries.conf')}"\n`;
    const both = `${file}registries_conf_d = "${scratch.join('conf.d')}"`;
    expect(await namesOf(file, 'a.io/x:1')).toEqual(['b.io/x:1']);
    expect(await namesOf(file, 'c.io/x:1')).toEqual(['c.io/x:1']);
    expect(await namesOf(both, 'c.io/x:1')).toEqual(['d.io/x:1']);
    expect(await loadDaemonRegistries(resolveSample({}), LOAD)).toMatchObject({
      rules: [],
      searchRegistries: undefined,
    });
  });

  it('do not come from the variable that tools on the command line read', () => {
    const { pull } = resolveSample({ environment: { CONTAINERS_REGISTRIES_CONF: '/x', REGISTRY_AUTH_FILE: '/y' } });
    expect([pull.registriesConf.value, pull.authfile.value]).toEqual([undefined, undefined]);
  });
});
