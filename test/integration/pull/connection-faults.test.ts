import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import type { ErrorCode, ErrorKind } from '../../../src/errors/index.ts';
import { FaultBed, type FaultOutcome, NOTHING_LEFT } from '../../support/faults/fault-bed.ts';
import { buildFaultImage, serveFaultImage } from '../../support/faults/fault-image.ts';
import { IS_ROOT } from '../../support/machine/commands.ts';
import { AT_ONCE_MS } from '../../support/patience.ts';
import { ForwardProxy } from '../../support/proxies/forward-proxy.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const WITHOUT_ROOT = IS_ROOT ? '' : ' (skipped: needs root for a store)';
const TRIES = 3;
const PUBLIC = 'registry.example';

/** An endpoint that is reached over https, with an authority of our own. */
interface Stand {
  readonly host: string;
  /** Number of connections that the endpoint has accepted. */
  readonly connections?: () => number;
  readonly settings?: SettingValues;
  /** A registry that must not have been reached. */
  readonly untouched?: FakeRegistry;
}

type Row = readonly [
  fault: string,
  open: () => Promise<Stand>,
  kind: ErrorKind | 'works',
  code: ErrorCode | undefined,
  /** Undefined where connections cannot be counted. */
  connections: number | undefined,
];

describe.skipIf(!IS_ROOT)(`a pull from a registry that is not reached as it should be${WITHOUT_ROOT}`, () => {
  const opened: AsyncDisposable[] = [];
  const image = buildFaultImage();
  let certificates: TestCertificates;
  let bed: FaultBed;

  beforeAll(() => {
    certificates = makeTestCertificates();
    bed = new FaultBed({
      'pull.extra_root_certificates': [certificates.authority],
      'pull.limits.maxTries': TRIES,
      'pull.limits.retryDelayMs': 1,
      'pull.limits.connectTimeoutMs': 1_500,
    });
  });

  afterAll(async () => {
    await bed[Symbol.asyncDispose]();
    for (const each of opened) await each[Symbol.asyncDispose]();
  });

  async function start(tls?: { key: string; cert: string }): Promise<FakeRegistry> {
    const registry = await startFakeRegistry(tls === undefined ? {} : { tls });
    opened.push({ [Symbol.asyncDispose]: () => registry.close() });
    serveFaultImage(registry, image);
    return registry;
  }

  async function standing(
    pair: keyof Omit<TestCertificates, 'authority'>,
    settings: SettingValues = {},
  ): Promise<Stand> {
    const registry = await start(certificates[pair]);
    return { host: registry.host, connections: () => registry.connections, settings };
  }

  /** A server that calls `onConnection` for each connection. */
  async function rawStand(onConnection: (socket: Socket) => void): Promise<Stand> {
    const sockets = new Set<Socket>();
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      sockets.add(socket.on('error', () => undefined));
      onConnection(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    };
    opened.push({ [Symbol.asyncDispose]: close });
    return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
  }

  async function plain(): Promise<Stand> {
    const registry = await start();
    return { host: registry.host, connections: () => registry.connections };
  }

  async function downgrading(): Promise<Stand> {
    const registry = await start(certificates.server);
    const storage = await start();
    const location = `${storage.origin}/v2/app/blobs/${image.config.digest}`;
    registry.inject({ match: /blobs/, action: { kind: 'answer', status: 307, headers: { location } }, times: 9 });
    return { host: registry.host, untouched: storage };
  }

  /** An endpoint by a name that only the proxy in front of it resolves. */
  async function publicStand(change: (registry: FakeRegistry, inside: FakeRegistry) => void): Promise<Stand> {
    const registry = await start(certificates.named);
    const inside = await start(certificates.server);
    const proxy = await ForwardProxy.start();
    opened.push(proxy);
    proxy.routes.set(`${PUBLIC}:443`, registry.port);
    change(registry, inside);
    const settings = { 'pull.proxy.https': proxy.url, 'pull.proxy.no_proxy': '127.0.0.1' };
    return { host: PUBLIC, settings, untouched: inside };
  }

  const redirected = (location: (inside: FakeRegistry) => string) => () =>
    publicStand((registry, inside) => {
      const headers = { location: location(inside) };
      registry.inject({ match: /blobs/, action: { kind: 'answer', status: 307, headers }, times: 9 });
    });

  const askedForToken = () =>
    publicStand((registry, inside) => {
      const headers = { 'www-authenticate': `Bearer realm="${inside.origin}/token"` };
      registry.inject({ match: /./, action: { kind: 'answer', status: 401, headers }, times: 9 });
    });

  const noRoots = { 'pull.extra_root_certificates': [] };

  const rows: readonly Row[] = [
    ['nothing', () => standing('server'), 'works', undefined, undefined],
    ['nothing, by its public name', () => publicStand(() => undefined), 'works', undefined, undefined],
    ['an expired certificate', () => standing('expired'), 'unavailable', 'HTTP_UNAVAILABLE', 1],
    ['a certificate for another name', () => standing('wrongName'), 'unavailable', 'HTTP_UNAVAILABLE', 1],
    ['an unknown authority', () => standing('server', noRoots), 'unavailable', 'HTTP_UNAVAILABLE', 1],
    ['plain http where https is wanted', plain, 'unavailable', 'HTTP_UNAVAILABLE', 1],
    ['silence instead of a handshake', () => rawStand(() => undefined), 'unavailable', 'HTTP_UNAVAILABLE', TRIES],
    [
      'a reset of the handshake',
      () => rawStand((at) => at.resetAndDestroy()),
      'unavailable',
      'HTTP_UNAVAILABLE',
      TRIES,
    ],
    ['garbage for a handshake', () => rawStand((at) => at.end('SSH-2.0')), 'unavailable', 'HTTP_UNAVAILABLE', 1],
    ['nobody at its port', async () => ({ host: '127.0.0.1:1' }), 'unavailable', 'HTTP_UNAVAILABLE', undefined],
    ['a name without address', async () => ({ host: 'none.invalid' }), 'unavailable', 'HTTP_UNAVAILABLE', undefined],
    ['a redirect from https to http', downgrading, 'unavailable', 'HTTP_REDIRECT_REFUSED', undefined],
    ['a redirect to loopback', redirected(({ origin }) => origin), 'unavailable', 'HTTP_REDIRECT_REFUSED', undefined],
    [
      'a redirect to a link-local address',
      redirected(() => 'https://169.254.169.254/'),
      'unavailable',
      'HTTP_REDIRECT_REFUSED',
      undefined,
    ],
    ['a token service on loopback', askedForToken, 'unsupported', 'REGISTRY_AUTH_UNSUPPORTED', undefined],
  ];

  function expectWhole({ error, result }: FaultOutcome): void {
    expect(error).toBeUndefined();
    expect(result?.layers).toHaveLength(1);
  }

  it.each(rows.map(([fault, open, ...rest]) => [fault, ...rest, open] as const))(
    '%s: %s %s',
    async (_, kind, code, connections, open) => {
      const { host, settings = {}, untouched, ...stand } = await open();
      const endpoint = { host, insecure: false };
      const outcome = await bed.pull({ name: 'app:latest', endpoints: [endpoint], settings });
      expect([outcome.error?.kind ?? 'works', outcome.error?.code]).toEqual([kind, code]);
      expect(stand.connections?.()).toBe(connections ?? stand.connections?.());
      expect(outcome.durationMs).toBeLessThan(AT_ONCE_MS);
      if (kind === 'works') return expectWhole(outcome);
      expect(outcome.left).toEqual(NOTHING_LEFT);

      const sound = await start();
      const endpoints = [endpoint, { host: sound.host, insecure: true }];
      const next = await bed.pull({ name: 'app:latest', endpoints, settings });
      expectWhole(next);
      expect(next.result?.warnings).toEqual([expect.stringContaining(`skipped ${host}/app`)]);
      expect(untouched?.requests ?? []).toEqual([]);
    },
  );
});
