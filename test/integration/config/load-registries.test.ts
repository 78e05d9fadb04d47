import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRegistries, loadRegistries } from '../../../src/config/index.ts';
import { resolveConfiguration } from '../../../src/config/resolve-configuration.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const MAX_BYTES = 4096;

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch('registries');
});
afterEach(() => scratch[Symbol.dispose]());

/** Writes a file that defines `name`, at a path below the scratch folder. */
function write(path: string, name: string): void {
  mkdirSync(scratch.join(path, '..'), { recursive: true });
  writeFileSync(scratch.join(path), `[[registry]]\nprefix = "${name}.io"\nlocation = "place.io"`);
}

const USER = 'home/.config/containers';

function load(named: { file?: string; directory?: string } = {}, environment = { HOME: scratch.join('home') }) {
  const values = {
    ...(named.file === undefined ? {} : { 'pull.registries_conf': scratch.join(named.file) }),
    ...(named.directory === undefined ? {} : { 'pull.registries_conf_d': scratch.join(named.directory) }),
  };
  const source = { class: 'measured', named: true, originOf: () => 'test', values } as const;
  const files = findRegistries(resolveConfiguration([source]), environment, scratch.join('etc'));
  return loadRegistries(files, { resources: createResourceLoader(), maxBytes: MAX_BYTES });
}

const prefixes = async (...parameters: Parameters<typeof load>) =>
  (await load(...parameters)).rules.map(({ prefix }) => prefix);

describe('registries.conf is looked for', () => {
  beforeEach(() => {
    write('etc/registries.conf', 'system');
    write('etc/registries.conf.d/b.conf', 'system-d');
    write(`${USER}/registries.conf.d/a.conf`, 'user-d');
  });

  it('in the system, whose drop-ins come before those of the user', async () => {
    expect(await prefixes()).toEqual(['system.io', 'system-d.io', 'user-d.io']);
    expect(await prefixes({}, { HOME: '/nonexistent' })).toEqual(['system.io', 'system-d.io']);
  });

  it('in the home directory, where only the drop-ins beside it count', async () => {
    write(`${USER}/registries.conf`, 'user');
    expect(await prefixes()).toEqual(['user.io', 'user-d.io']);
  });

  it('where it is named, with the drop-ins of system and user, or those of the directory that is named', async () => {
    write(`${USER}/registries.conf`, 'user');
    write('named.conf', 'named');
    write('named.d/x.conf', 'named-d');
    expect(await prefixes({ file: 'named.conf' })).toEqual(['named.io', 'system-d.io', 'user-d.io']);
    expect(await prefixes({ file: 'named.conf', directory: 'named.d' })).toEqual(['named.io', 'named-d.io']);
    expect(await prefixes({ directory: 'named.d' })).toEqual(['user.io', 'named-d.io']);
  });

  it('and may be absent if no setting names it', async () => {
    expect(await prefixes({}, { HOME: 'relative' })).toEqual(['system.io', 'system-d.io']);
    await expectFailure('REGISTRIES_INVALID', () => load({ file: 'absent.conf' }));
    await expectFailure('REGISTRIES_INVALID', () => load({ directory: 'absent.d' }));
  });
});

describe('drop-ins', () => {
  it('are files that end with .conf, in the order of their bytes, and later ones win', async () => {
    for (const name of ['10-a.conf', '9-b.conf', 'B.conf', 'a.conf', 'ä.conf'])
      write(`etc/registries.conf.d/${name}`, 'x');
    write('etc/registries.conf.d/z.txt', 'ignored');
    write('etc/registries.conf.d/folder.conf/inner.conf', 'ignored');
    expect((await load()).rules.map(({ prefix, origin }) => [prefix, origin])).toEqual([
      ['x.io', scratch.join('etc/registries.conf.d/ä.conf')],
    ]);
  });

  it('are of version 2, and small', async () => {
    write('etc/registries.conf', 'x');
    mkdirSync(scratch.join('etc/registries.conf.d'));
    writeFileSync(scratch.join('etc/registries.conf.d/1.conf'), "[registries.search]\nregistries = ['a.io']");
    const error = await expectFailure('REGISTRIES_INVALID', () => load());
    expect(error.message).toContain('1.conf');
    writeFileSync(scratch.join('etc/registries.conf.d/1.conf'), `# ${'x'.repeat(MAX_BYTES)}`);
    await expectFailure('REGISTRIES_INVALID', () => load());
  });
});
