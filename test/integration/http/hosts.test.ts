import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureVersion, TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTransport } from '../../../src/http/transport.ts';
import type { HostSettings } from '../../../src/http/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { get, recordingClock } from '../../support/registries/http-fixture.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

let certificates: TestCertificates;
beforeAll(() => {
  certificates = makeTestCertificates();
});

const opened: Server[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

interface AskingServer {
  readonly host: string;
  readonly origin: string;
  /** The name in the certificate of each client that asked for something; undefined for one without. */
  readonly clients: (string | undefined)[];
}

/** A server that asks its clients for a certificate and, if configured, requires one. */
async function start(
  options: { readonly insists?: boolean; readonly redirectTo?: () => string; readonly maxVersion?: SecureVersion } = {},
): Promise<AskingServer> {
  const { insists = false, redirectTo, maxVersion = 'TLSv1.3' } = options;
  const clients: (string | undefined)[] = [];
  const tls = {
    ...certificates.server,
    ca: certificates.authority,
    requestCert: true,
    rejectUnauthorized: insists,
    maxVersion,
  };
  const server = createServer(tls, (request, response) => {
    const subject = (request.socket as TLSSocket).getPeerCertificate().subject as { CN?: string } | undefined;
    clients.push(subject?.CN);
    if (redirectTo === undefined) response.end('{}');
    else response.writeHead(307, { location: redirectTo() }).end();
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push(server);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, origin: `https://${host}`, clients };
}

/** Sends the requests one after the other over one transport. Returns undefined for one that failed. */
async function ask(hosts: readonly HostSettings[], urls: readonly string[], tlsVerify = true) {
  const clock = recordingClock();
  const settings = { tlsVerify, extraRoots: [], userAgent: 'test', hosts };
  const transport = createTransport(settings, { limits: DEFAULT_LIMITS, clock });
  const answers: (number | string)[] = [];
  let hint = '';
  try {
    for (const url of urls) {
      try {
        answers.push((await transport.fetchDocument({ ...get(url), allowHttp: false }, 1_000)).status);
      } catch (error) {
        const failed = await expectFailure('HTTP_UNAVAILABLE', () => {
          throw error;
        });
        answers.push(failed.code);
        hint = failed.hint;
      }
    }
  } finally {
    await transport.close();
  }
  return { answers, hint, pauses: clock.pauses };
}

const pair = () => ({ certificate: certificates.named.cert, key: certificates.named.key });

describe('what holds for one host', () => {
  it('is its authority, which vouches for nobody else', async () => {
    const [mine, other] = [await start(), await start()];
    const hosts = [{ host: mine.host, extraRoots: [certificates.authority] }];
    const { answers, hint } = await ask(hosts, [mine.origin, other.origin, mine.origin]);
    expect(answers).toEqual([200, 'HTTP_UNAVAILABLE', 200]);
    expect(hint).toContain('extra root');
    expect([mine.clients.length, other.clients.length]).toEqual([2, 0]);
  });

  it('is that it is not verified, which all others are', async () => {
    const [mine, other] = [await start(), await start()];
    const { answers } = await ask([{ host: mine.host, tlsVerify: false }], [mine.origin, other.origin]);
    expect(answers).toEqual([200, 'HTTP_UNAVAILABLE']);
    expect(other.clients).toEqual([]);
  });

  it('is the certificate that we show, which no other server gets to see, not even after a redirect', async () => {
    const other = await start();
    const redirecting = await start({ redirectTo: () => other.origin });
    const mine = await start({ insists: true });
    const extraRoots = [certificates.authority];
    const hosts = [
      { host: mine.host, extraRoots, clientCertificates: [pair()] },
      { host: redirecting.host, extraRoots, clientCertificates: [pair()] },
      { host: other.host, extraRoots },
    ];
    const { answers } = await ask(hosts, [mine.origin, other.origin, redirecting.origin, mine.origin]);
    expect(answers).toEqual([200, 200, 200, 200]);
    expect(mine.clients).toEqual(['named', 'named']);
    expect(redirecting.clients).toEqual(['named']);
    expect(other.clients).toEqual([undefined, undefined]);
  });

  it('is the certificate that we show where nothing is verified, too', async () => {
    const [mine, other] = [await start({ insists: true }), await start()];
    const hosts = [{ host: mine.host, clientCertificates: [pair()] }];
    expect((await ask(hosts, [other.origin, mine.origin], false)).answers).toEqual([200, 200]);
    expect([mine.clients, other.clients]).toEqual([['named'], [undefined]]);
  });

  it('counts with its port, 443 unless named', async () => {
    const mine = await start();
    const roots = { extraRoots: [certificates.authority] };
    const [name = '', port = ''] = mine.host.split(':');
    for (const host of [name, `${name}:443`, `${name}:1${port}`, `localhost:${port}`]) {
      if (Number(host.split(':')[1] ?? 443) > 65_535) continue;
      expect((await ask([{ host, ...roots }], [mine.origin])).answers).toEqual(['HTTP_UNAVAILABLE']);
    }
    expect((await ask([{ host: `LOCALHOST:${port}`, ...roots }], [`https://localhost:${port}`])).answers).toEqual([
      200,
    ]);
  });
});

describe('a server that wants a certificate of its clients', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('answers nothing without one, over %s', async (maxVersion) => {
    const mine = await start({ insists: true, maxVersion });
    const { answers, hint } = await ask([{ host: mine.host, extraRoots: [certificates.authority] }], [mine.origin]);
    expect(answers).toEqual(['HTTP_UNAVAILABLE']);
    expect(mine.clients).toEqual([]);
    // In TLS 1.3 the connection is open before the server has checked the certificate, and then simply ends.
    if (maxVersion === 'TLSv1.2') expect(hint).toContain('certs.d');
  });

  it.each([
    ['a key that does not fit', () => ({ certificate: certificates.named.cert, key: certificates.server.key })],
    ['no certificate', () => ({ certificate: 'nonsense', key: certificates.named.key })],
  ])('gets none from us that has %s', async (_, broken) => {
    const hosts = [{ host: 'registry.example', clientCertificates: [broken()] }];
    await expectFailure('CONFIG_FILE_INVALID', () => ask(hosts, []));
  });

  it('and has an authority that is none', async () => {
    await expectFailure('CONFIG_FILE_INVALID', () => ask([{ host: 'registry.example', extraRoots: ['nonsense'] }], []));
  });
});
