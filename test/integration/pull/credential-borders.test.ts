import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { ForwardProxy } from '../../support/proxies/forward-proxy.ts';
import { type FakeAuth, type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';

const LAYERS = [[file('one', 'at the storage of the mirror')], [file('two', 'at the registry only')]];

/** An account, as the servers require it and as the auth file stores it. */
const account = (user: string) => ({ username: user, password: `password of ${user}` });
const encoded = (user: string) => Buffer.from(`${user}:password of ${user}`).toString('base64');
const bearer = (user: string, realm?: string): FakeAuth => ({
  ...{ kind: 'bearer', account: `${user}:password of ${user}` },
  ...(realm === undefined ? {} : { realm }),
});

/**
 * One pull that needs every kind of credentials: a mirror with a password and a storage server, a registry whose tokens
 * come from a host of their own, and a proxy with an account in front of each. Pulls from 127.0.0.1 would use no proxy.
 */
describe('credentials in a pull that crosses many hosts', () => {
  const opened: PullBed[] = [];
  let proxy: ForwardProxy;
  let scratch: PullBed;

  beforeEach(async () => {
    proxy = await ForwardProxy.start({ account: 'mate:password of mate' });
    scratch = await start({ kind: 'none' });
    mkdirSync(scratch.path('conf.d'));
  });

  afterEach(async () => {
    await proxy[Symbol.asyncDispose]();
    for (const bed of opened.splice(0)) await bed.close();
  });

  async function start(auth: FakeAuth): Promise<PullBed> {
    const bed = new PullBed(await startFakeRegistry({ auth }));
    opened.push(bed);
    return bed;
  }

  const hostOf = ({ registry }: PullBed) => registry.host.replace('127.0.0.1', '0.0.0.0');
  /** Every Authorization that a server has seen, without repetitions. */
  const seenBy = ({ requests }: FakeRegistry) => [
    ...new Set(requests.flatMap(({ headers }) => headers['authorization'] ?? [])),
  ];

  interface Hosts {
    readonly own: PullBed;
    readonly mirror: PullBed;
    readonly users: Readonly<Record<string, object>>;
  }

  async function pull({ own, mirror, users }: Hosts, digest: string): Promise<void> {
    writeFileSync(scratch.path('auth.json'), JSON.stringify({ auths: users }));
    const tables = `[[registry]]\nlocation = "${hostOf(own)}"\ninsecure = true\n
[[registry.mirror]]\nlocation = "${hostOf(mirror)}"\ninsecure = true`;
    writeFileSync(scratch.path('registries.conf'), tables);
    const url = proxy.urlWith('mate:password%20of%20mate');
    const settings: SettingValues = {
      'pull.authfile': scratch.path('auth.json'),
      'pull.registries_conf': scratch.path('registries.conf'),
      'pull.registries_conf_d': scratch.path('conf.d'),
      'pull.proxy.https': url,
      'pull.proxy.http': url,
    };
    await composeTestCli().pull(
      {
        ...{ reference: `${hostOf(own)}/app@${digest}`, settings, credentials: undefined },
        ...{ target: { kind: 'unpack', directory: scratch.path('tree') }, configFile: undefined, debug: false },
      },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
  }

  /**
   * Each server received only the credentials that are meant for it, and only the proxy received those of the proxy.
   */
  function expectBorders(expected: readonly (readonly [PullBed, readonly string[]])[]): void {
    for (const [{ registry }, authorizations] of expected) {
      expect(registry.requests.length).toBeGreaterThan(0);
      expect(seenBy(registry)).toEqual(authorizations);
      for (const { headers } of registry.requests) expect(headers['proxy-authorization']).toBeUndefined();
    }
    const count = expected.reduce((total, [{ registry }]) => total + registry.requests.length, 0);
    const [plain, tunnels] = [
      proxy.requests.filter(({ method }) => method !== 'CONNECT'),
      proxy.requests.filter(({ method }) => method === 'CONNECT'),
    ];
    expect(plain).toHaveLength(count);
    for (const { headers } of proxy.requests) {
      expect(headers['proxy-authorization']).toBe(`Basic ${encoded('mate')}`);
    }
    for (const { headers } of tunnels) expect(headers.authorization).toBeUndefined();
  }

  it('each reach the host that they are for', async () => {
    const tokens = await start(bearer('own'));
    const own = await start(bearer('own', `http://${hostOf(tokens)}/token`));
    const mirror = await start({ kind: 'basic', ...account('mirror') });
    const storage = await start({ kind: 'none' });
    own.registry.allowToken('token-1', 'repository:app:pull');
    const image = own.serveImage(LAYERS);
    for (const bed of [mirror, storage]) bed.serveImage(LAYERS);
    const [first = '', second = ''] = image.layers;
    const location = `http://${hostOf(storage)}/v2/app/blobs/${first}`;
    mirror.registry.inject({
      match: new RegExp(first),
      action: { kind: 'answer', status: 307, headers: { location } },
    });
    mirror.registry.inject({ match: new RegExp(second), times: 9, action: { kind: 'answer', status: 404 } });

    await pull(
      { own, mirror, users: { [hostOf(own)]: account('own'), [hostOf(mirror)]: account('mirror') } },
      image.digest,
    );

    expect(readFileSync(scratch.path('tree/one'), 'utf8')).toBe('at the storage of the mirror');
    expect(readFileSync(scratch.path('tree/two'), 'utf8')).toBe('at the registry only');
    expectBorders([
      [mirror, [`Basic ${encoded('mirror')}`]],
      [storage, []],
      [own, ['Bearer token-1']],
      [tokens, [`Basic ${encoded('own')}`]],
    ]);
  });

  it('that are a registry token reach the registry, and neither its token service nor its mirror', async () => {
    const tokens = await start(bearer('own'));
    const own = await start(bearer('own', `http://${hostOf(tokens)}/token`));
    const mirror = await start(bearer('mirror', `http://${hostOf(tokens)}/token`));
    own.registry.allowToken('registry-token-of-own', 'repository:app:pull');
    const image = own.serveImage(LAYERS);
    mirror.serveImage(LAYERS);
    // The mirror gets its tokens from there without an account, and the host refuses that.
    await pull({ own, mirror, users: { [hostOf(own)]: { registrytoken: 'registry-token-of-own' } } }, image.digest);
    expectBorders([
      [mirror, []],
      [own, ['Bearer registry-token-of-own']],
      [tokens, []],
    ]);
    expect(JSON.stringify(tokens.registry.requests)).not.toContain('registry-token');
  });

  it('of a mirror whose token service is another’s go there alone', async () => {
    const tokens = await start(bearer('mirror'));
    const mirror = await start(bearer('mirror', `http://${hostOf(tokens)}/token`));
    const own = await start({ kind: 'basic', ...account('own') });
    mirror.registry.allowToken('token-1', 'repository:app:pull');
    const image = own.serveImage(LAYERS);
    // It lacks the image, so that the registry is asked.
    mirror.registry.inject({ match: /manifests/, times: 9, action: { kind: 'answer', status: 404 } });
    await pull(
      { own, mirror, users: { [hostOf(own)]: account('own'), [hostOf(mirror)]: account('mirror') } },
      image.digest,
    );
    expectBorders([
      [mirror, ['Bearer token-1']],
      [tokens, [`Basic ${encoded('mirror')}`]],
      [own, [`Basic ${encoded('own')}`]],
    ]);
  });
});
