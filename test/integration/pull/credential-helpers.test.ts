import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeAuth, type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';

const BASIC: FakeAuth = { kind: 'basic', username: 'me', password: 'secret' };
const AS_ME = `Basic ${Buffer.from('me:secret').toString('base64')}`;
const ANSWER = '{"ServerURL":"x","Username":"me","Secret":"secret"}';

describe('credential helpers', () => {
  const opened: PullBed[] = [];
  let home: PullBed;
  let trees = 0;

  beforeEach(async () => {
    home = await open({ kind: 'none' });
    for (const folder of ['bin', 'home/.docker', 'home/.config/containers', 'conf.d']) {
      mkdirSync(home.path(folder), { recursive: true });
    }
  });

  afterEach(async () => {
    for (const bed of opened.splice(0)) await bed.close();
  });

  async function open(auth: FakeAuth): Promise<PullBed> {
    const bed = new PullBed(await startFakeRegistry({ auth }));
    opened.push(bed);
    return bed;
  }

  /** A helper that records its arguments, its input and its home, and then runs `script`. */
  function helper(name: string, script: string): void {
    const path = home.path(`bin/docker-credential-${name}`);
    const notes = home.path(`asked-${name}`);
    writeFileSync(path, `#!/bin/sh\nprintf '%s|%s|%s\\n' "$*" "$(cat)" "$HOME" >>'${notes}'\n${script}\n`);
    chmodSync(path, 0o755);
  }

  const askedOf = (name: string): string => {
    const notes = home.path(`asked-${name}`);
    return existsSync(notes) ? readFileSync(notes, 'utf8') : '';
  };

  const dockerFile = (document: object) =>
    writeFileSync(home.path('home/.docker/config.json'), JSON.stringify(document));
  const podmanFile = (document: object) =>
    writeFileSync(home.path('home/.config/containers/auth.json'), JSON.stringify(document));

  interface Options {
    readonly settings?: SettingValues;
    readonly conf?: string;
  }

  async function pull(bed: PullBed, { settings = {}, conf = '' }: Options = {}) {
    trees += 1;
    const image = bed.serveImage([[file('who', 'me')]]);
    writeFileSync(home.path('registries.conf'), conf);
    const environment = {
      HOME: home.path('home'),
      XDG_RUNTIME_DIR: home.path('none'),
      // A relative folder in PATH is not searched.
      PATH: `bin:.:${home.path('bin')}:${process.env['PATH']}`,
    };
    return composeTestCli({ environment }).pull(
      {
        reference: `${bed.registry.host}/app@${image.digest}`,
        target: { kind: 'unpack', directory: home.path(`tree-${trees}`) },
        settings: {
          'pull.registries_conf': home.path('registries.conf'),
          'pull.registries_conf_d': home.path('conf.d'),
          'pull.tls_verify': false,
          ...settings,
        },
        ...{ credentials: undefined, configFile: undefined, debug: false },
      },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
  }

  const sentTo = ({ requests }: FakeRegistry) => [
    ...new Set(requests.flatMap(({ headers }) => headers['authorization'] ?? [])),
  ];

  it('are asked with the host at their standard input, in the environment of the user, before an entry', async () => {
    const bed = await open(BASIC);
    const { host } = bed.registry;
    helper('mine', `echo '${ANSWER}'`);
    dockerFile({ credHelpers: { [host]: 'mine' }, auths: { [host]: { username: 'other', password: 'other' } } });
    await pull(bed);
    expect(sentTo(bed.registry)).toEqual([AS_ME]);
    expect(askedOf('mine')).toBe(`get|${host}|${home.path('home')}\n`);
  });

  it('that are for all hosts are asked where there is no entry', async () => {
    const bed = await open(BASIC);
    helper('all', `echo '${ANSWER}'`);
    dockerFile({ credsStore: 'all', auths: { [bed.registry.host]: {} } });
    await pull(bed);
    expect(sentTo(bed.registry)).toEqual([AS_ME]);
  });

  it('may give an identity token, which is traded', async () => {
    const bed = await open({ kind: 'bearer', account: 'nobody:', identityToken: 'refresh' });
    helper('mine', `echo '{"ServerURL":"x","Username":"<token>","Secret":"refresh"}'`);
    dockerFile({ credHelpers: { [bed.registry.host]: 'mine' } });
    await pull(bed);
    expect(sentTo(bed.registry)).toEqual(['Bearer token-1']);
  });

  it('that know nothing leave it to the next file, and to nobody at last', async () => {
    const bed = await open(BASIC);
    const { host } = bed.registry;
    helper('mine', 'echo "credentials not found in native keychain"; exit 1');
    podmanFile({ credHelpers: { [host]: 'mine' } });
    dockerFile({ auths: { [host]: { username: 'me', password: 'secret' } } });
    await pull(bed);
    expect(sentTo(bed.registry)).toEqual([AS_ME]);
    expect(askedOf('mine')).toContain('get|');

    dockerFile({});
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => pull(bed));
    expect(error.message).toContain('expected a user name and password, got none');
  });

  it.each([
    ['fail', 'echo "keychain is locked" >&2; exit 1', 'keychain is locked'],
    ['answer nonsense', 'echo "me:secret"', 'no JSON object'],
    ['say too much', 'head -c 1000000 /dev/zero | tr "\\0" " "', 'no JSON object'],
    ['do not come to an end', 'exec sleep 600', 'no answer in time'],
    ['are not there', undefined, 'no such program in PATH'],
  ])('that %s are an error and not silence', async (_, script, words) => {
    const bed = await open(BASIC);
    if (script !== undefined) helper('mine', script);
    dockerFile({ credHelpers: { [bed.registry.host]: 'mine' } });
    const settings = { 'pull.limits.credentialHelperTimeoutMs': script?.includes('sleep') ? 500 : 30_000 };
    const error = await expectFailure('AUTHFILE_HELPER_FAILED', () => pull(bed, { settings }));
    expect(error.message).toContain(words);
    expect(error.context['limit']).toBe(words === 'no answer in time' ? 'credentialHelperTimeoutMs' : undefined);
    expect(error.message).not.toContain('secret');
    expect(sentTo(bed.registry)).toEqual([]);
  });

  it('of a mirror that fail have the registry asked, with a warning', async () => {
    const [own, mirror] = [await open({ kind: 'none' }), await open(BASIC)];
    helper('broken', 'exit 7');
    dockerFile({ credHelpers: { [mirror.registry.host]: 'broken' } });
    const conf = `[[registry]]\nlocation = "${own.registry.host}"\n[[registry.mirror]]\nlocation = "${mirror.registry.host}"`;
    const { warnings } = await pull(own, { conf });
    expect(warnings).toEqual([expect.stringContaining('AUTHFILE_HELPER_FAILED')]);
    expect(askedOf('broken')).toContain(`get|${mirror.registry.host}|`);
  });

  it('are left alone when a file is named that has none', async () => {
    const bed = await open(BASIC);
    const { host } = bed.registry;
    helper('mine', `echo '${ANSWER}'`);
    dockerFile({ credHelpers: { [host]: 'mine' } });
    writeFileSync(home.path('auth.json'), '{}');
    const settings = { 'pull.authfile': home.path('auth.json') };
    await expectFailure('REGISTRY_AUTH_REJECTED', () => pull(bed, { settings }));
    expect(askedOf('mine')).toBe('');
  });

  it('are not run for a registry that does not answer', async () => {
    const bed = await open(BASIC);
    helper('mine', `echo '${ANSWER}'`);
    dockerFile({ credHelpers: { [bed.registry.host]: 'mine' } });
    bed.registry.inject({ match: /./, times: 99, action: { kind: 'hang-up' } });
    await expectFailure('HTTP_UNAVAILABLE', () => pull(bed, { settings: { 'pull.limits.maxTries': 1 } }));
    expect(askedOf('mine')).toBe('');
  });
});
