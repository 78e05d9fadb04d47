import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findLookasideDirectory, loadDaemonLookasideRules, loadLookasideRules } from '../../../src/config/index.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { resolveSample } from '../../support/daemons/daemon-texts.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const LOAD = { resources: createResourceLoader(), maxBytes: 4096 };

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch('registries-d');
});
afterEach(() => scratch[Symbol.dispose]());

function write(path: string, text: string): string {
  mkdirSync(scratch.join(path, '..'), { recursive: true });
  writeFileSync(scratch.join(path), text);
  return scratch.join(path);
}

const section = (name: string) => `docker:\n  ${name}.io:\n    lookaside: https://${name}/\n`;

async function load(directory?: string, environment = { HOME: scratch.join('home') }) {
  const values = directory === undefined ? {} : { 'pull.registries_d': scratch.join(directory) };
  const source = { class: 'measured', named: true, originOf: () => 'test', values } as const;
  const found = findLookasideDirectory(resolveConfiguration([source]), environment, scratch.join('etc'));
  return [...(await loadLookasideRules(found, LOAD)).sections.keys()];
}

describe('registries.d of the command line', () => {
  it('is the named directory, else the user’s, else the system’s, and never several of them', async () => {
    write('etc/x.yaml', section('system'));
    expect(await load()).toEqual(['system.io']);
    write('home/.config/containers/registries.d/x.yaml', section('user'));
    expect(await load()).toEqual(['user.io']);
    expect(await load(undefined, { HOME: 'relative' })).toEqual(['system.io']);
    write('named/x.yaml', section('named'));
    expect(await load('named')).toEqual(['named.io']);
  });

  it('may be absent if no setting names it', async () => {
    expect(await load()).toEqual([]);
    await expectFailure('REGISTRIES_D_INVALID', () => load('absent'));
  });

  it('has the files that end with .yaml', async () => {
    write('d/b.yaml', section('b'));
    write('d/a.yaml', section('a'));
    write('d/c.yml', section('c'));
    write('d/folder.yaml/d.yaml', section('d'));
    expect(await load('d')).toEqual(['a.io', 'b.io']);
  });

  it.each([
    ['a name', section('a'), 'docker["a.io"]'],
    ['the default', 'default-docker: {lookaside: "https://a/"}', 'default-docker'],
  ])('is refused when two files have %s, even if they agree', async (_, text, key) => {
    write('d/1.yaml', text);
    write('d/2.yaml', text);
    const { message } = await expectFailure('REGISTRIES_D_INVALID', () => load('d'));
    expect(message).toBe(
      `registries.d ${scratch.join('d/2.yaml')}: ${key}: expected once, but ${scratch.join('d/1.yaml')} has it too`,
    );
  });

  it('is refused with a file that is wrong, too large or no text', async () => {
    for (const text of ['docker: [', `# ${'x'.repeat(LOAD.maxBytes)}`, Buffer.of(0xff)]) {
      mkdirSync(scratch.join('d'), { recursive: true });
      writeFileSync(scratch.join('d/1.yaml'), text);
      const { message } = await expectFailure('REGISTRIES_D_INVALID', () => load('d'));
      expect(message).toContain('1.yaml');
    }
  });
});

describe('registries.d of the daemon', () => {
  const rules = async (toml: string) => loadDaemonLookasideRules(resolveSample({ toml }), LOAD);

  it('is what the measured file names, and nothing that lies about', async () => {
    expect((await rules('')).sections.size).toBe(0);
    write('d/x.yaml', section('named'));
    const named = await rules(`[pull]\nregistries_d = "${scratch.join('d')}"\n`);
    expect([...named.sections.keys()]).toEqual(['named.io']);
    await expectFailure('REGISTRIES_D_INVALID', () => rules('[pull]\nregistries_d = "/nonexistent"\n'));
  });

  it('may be the sigstore_config of confidential-data-hub, inline or in a file', async () => {
    const text = 'default-docker:\n  sigstore: file:///run/sigs\n';
    const inline = await rules(`[image]\nsigstore_config = """\n${text}"""\n`);
    const path = write('sigstore_config.yaml', text);
    for (const uri of [path, `file://${path}`]) {
      expect(await rules(`[image]\nsigstore_config_uri = "${uri}"\n`)).toEqual(inline);
    }
    expect(inline.defaultSection?.lookaside?.href).toBe('file:///run/sigs');
  });

  it('is the file when both are there, with a warning, as in confidential-data-hub', async () => {
    const path = write('s.yaml', section('file'));
    const toml = `[image]\nsigstore_config_uri = "${path}"\nsigstore_config = "docker: ["\n`;
    expect([...(await rules(toml)).sections.keys()]).toEqual(['file.io']);
    expect(resolveSample({ toml }).warnings).toEqual([
      'file /c.toml: image.sigstore_config: ignored, because image.sigstore_config_uri overrides it',
    ]);
  });

  it.each(['sigstore_config', 'sigstore_config_uri'])('is refused beside image.%s', async (key) => {
    const toml = `[pull]\nregistries_d = "/d"\n[image]\n${key} = "/x"\n`;
    const { message } = await expectFailure('CONFIG_FILE_INVALID', () => resolveSample({ toml }));
    expect(message).toContain(`image.${key}: expected this or pull.registries_d, got both`);
  });

  it('says where the text is that is wrong', async () => {
    const { message } = await expectFailure('REGISTRIES_D_INVALID', () => rules('[image]\nsigstore_config = "a: 1"\n'));
    expect(message).toBe('registries.d file /c.toml, image.sigstore_config: a: unknown setting');
    const { message: other } = await expectFailure('REGISTRIES_D_INVALID', () =>
      rules('[image]\nsigstore_config_uri = "/nonexistent"\n'),
    );
    expect(other).toBe('load sigstore_config /nonexistent: cannot be read');
  });

  it.each([['the environment', { environment: { SEALIFT_PULL_REGISTRIES_D: '/d' } }]])(
    'is not chosen by %s',
    async (_, texts) => {
      const { message } = await expectFailure('CONFIG_CLASS_REFUSED', () => resolveSample(texts));
      expect(message).toContain('it says where signatures are looked for');
    },
  );
});
