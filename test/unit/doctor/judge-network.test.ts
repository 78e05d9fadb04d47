import { describe, expect, it } from 'vitest';
import { judgeNetwork } from '../../../src/doctor/judge-network.ts';
import type {
  EndpointFinding,
  ImageFinding,
  NetworkFindings,
  RegistryAnswer,
} from '../../../src/doctor/network-types.ts';
import type { Check } from '../../../src/doctor/types.ts';
import { QUIET_NETWORK } from './sample.ts';

const HTTPS = { setting: 'pull.proxy.https', origin: 'environment HTTPS_PROXY', class: 'measured' } as const;
const ANSWER: Extract<RegistryAnswer, { kind: 'answered' }> = {
  kind: 'answered',
  scheme: 'https',
  proxy: undefined,
  status: 401,
  page: undefined,
  tookMs: 34,
  dates: undefined,
};

function failed(fault: string, proxy?: string): RegistryAnswer {
  return { kind: 'failed', proxy, fault, message: `GET https://app.io/v2/: ${fault}`, hint: 'the hint of the error' };
}

function endpoint(change: Partial<EndpointFinding> = {}): EndpointFinding {
  const own = { name: 'app.io/x', host: 'app.io', use: 'registry' } as const;
  return { ...own, credentials: undefined, answer: ANSWER, ...change };
}

const MIRROR = { name: 'mirror.io/x', host: 'mirror.io', use: 'mirror' } as const;

function image(...endpoints: readonly EndpointFinding[]): { readonly images: readonly ImageFinding[] } {
  return { images: [{ image: 'app.io/x:1', endpoints }] };
}

function check(name: string, change: Partial<NetworkFindings>, subject?: string): Check | undefined {
  const checks = judgeNetwork({ ...QUIET_NETWORK, ...change });
  return checks.find((each) => each.name === name && (subject === undefined || each.subject === subject));
}

describe('judgeNetwork', () => {
  it('has nothing against a machine without proxies, rules and questions', () => {
    const checks = judgeNetwork(QUIET_NETWORK);
    expect(checks.map(({ name, status }) => [name, status])).toEqual([
      ...[
        ['proxy', 'ok'],
        ['no-proxy', 'ok'],
        ['resolver', 'ok'],
        ['registries', 'ok'],
        ['authfile', 'ok'],
      ],
    ]);
  });

  it.each<[string, Check['status'], Partial<NetworkFindings>]>([
    ['proxy', 'fail', { proxies: [{ ...HTTPS, proxy: { message: 'expected http://', hint: 'write it so' } }] }],
    ['no-proxy', 'warn', { exceptions: { origin: 'environment NO_PROXY', unreadable: ['10.0.0.0/99'] } }],
    ['resolver', 'warn', { resolver: 'absent' }],
    ['resolver', 'warn', { resolver: { nameservers: [] } }],
    ['registries', 'fail', { registries: { message: 'line 3', hint: 'correct it' } }],
    ['authfile', 'fail', { authfiles: { message: 'expected one JSON object', hint: 'correct it' } }],
    ['authfile', 'warn', { authfiles: { paths: ['/auth.json'], idleHelpers: ['docker-credential-pass'] } }],
    ['name-lookup', 'warn', { names: [{ host: 'app.io', use: 'registry', answer: { failed: 'ENOTFOUND' } }] }],
    ['name-lookup', 'fail', { names: [{ host: 'p.io', use: 'proxy', answer: { failed: 'EAI_AGAIN' } }] }],
    ['name-lookup', 'warn', { names: [{ host: 'mirror.io', use: 'mirror', answer: { failed: 'ENOTFOUND' } }] }],
    ['image-places', 'fail', { images: [{ image: 'app.io/x', refusal: { message: 'blocked', hint: 'ask' } }] }],
    ['registry', 'fail', image(endpoint({ answer: failed('ECONNREFUSED') }))],
    ['registry', 'fail', image(endpoint({ answer: { ...ANSWER, status: 404 } }))],
    ['registry', 'fail', image(endpoint({ answer: { ...ANSWER, status: 403 } }))],
    ['registry', 'fail', image(endpoint({ answer: { ...ANSWER, status: 200, page: 'text/html' } }))],
    ['registry', 'fail', image(endpoint({ answer: { ...ANSWER, status: 503 } }))],
  ])('%s: %s, with what to do about it', (name, status, change) => {
    expect(check(name, change)).toMatchObject({ status, detail: expect.any(String), remedy: expect.any(String) });
  });

  it('says which proxy is set where, and what one of the host is good for', () => {
    const proxies = [
      { ...HTTPS, proxy: 'p.io:3128' },
      { setting: 'pull.proxy.http', origin: 'kernel command line', class: 'unmeasured', proxy: 'h.io:80' } as const,
    ];
    expect(check('proxy', { proxies })?.detail).toBe(
      'pull.proxy.https p.io:3128 (environment HTTPS_PROXY); ' +
        'pull.proxy.http h.io:80 (kernel command line, unmeasured: only used for images with a digest or a required signature, and without measured credentials)',
    );
  });

  it('does without name servers where all names are found', () => {
    const names = [{ host: 'app.io', use: 'registry', answer: { addresses: ['10.0.0.9'] } }] as const;
    expect(check('resolver', { resolver: 'absent', names })).toMatchObject({ status: 'ok' });
    expect(check('name-lookup', { names })).toMatchObject({ subject: 'app.io', detail: 'registry: 10.0.0.9' });
    const addresses = Array.from({ length: 1_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    const many = [{ host: 'app.io', use: 'registry', answer: { addresses } }] as const;
    expect(check('name-lookup', { names: many })?.detail).toBe(
      'registry: 10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3 and 996 more',
    );
  });

  it('tells the order of asking, the way, and where credentials lie', () => {
    const endpoints = image(
      endpoint({ ...MIRROR, answer: { ...ANSWER, scheme: 'http', status: 200 } }),
      endpoint({ answer: { ...ANSWER, proxy: 'p.io:3128' }, credentials: '/root/.docker/config.json' }),
    );
    expect(check('image-places', endpoints)).toMatchObject({
      subject: 'app.io/x:1',
      detail: 'asked for at mirror.io/x (mirror), then app.io/x',
    });
    expect(check('registry', endpoints, 'mirror.io')).toMatchObject({
      status: 'ok',
      detail: 'http, status 200 after 34 ms; no credentials for it',
    });
    expect(check('registry', endpoints, 'app.io')?.detail).toBe(
      'https through the proxy p.io:3128, status 401 after 34 ms; credentials for it from /root/.docker/config.json',
    );
  });

  it('fails nothing as long as another endpoint answers', () => {
    const broken = failed('ECONNREFUSED');
    expect(check('registry', image(endpoint({ ...MIRROR, answer: broken }), endpoint()), 'mirror.io')?.status).toBe(
      'warn',
    );
    expect(check('registry', image(endpoint(MIRROR), endpoint({ answer: broken })), 'app.io')?.status).toBe('warn');
    const none = image(endpoint({ ...MIRROR, answer: broken }), endpoint({ answer: broken }));
    expect([check('registry', none, 'mirror.io')?.status, check('registry', none, 'app.io')?.status]).toEqual([
      ...['fail', 'fail'],
    ]);
  });

  it.each([
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'add its certificate authority'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'add its certificate authority'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'add its certificate authority'],
    ['CERT_HAS_EXPIRED', 'renew the certificate of the server'],
    ['CERT_NOT_YET_VALID', 'becomes valid'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'use a name that is in the certificate'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'client certificate'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'client certificate'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS'],
    ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'does not speak TLS'],
    ['ENOTFOUND', 'name server'],
    ['ECONNREFUSED', 'that the server runs'],
    ['', 'the hint of the error'],
    ['UND_ERR_SOCKET', 'if it requires a client certificate'],
    ['ECONNRESET', 'closes the connection'],
    ['EPIPE', 'the hint of the error'],
  ])('%s leads to: %s', (fault, remedy) => {
    expect(check('registry', image(endpoint({ answer: failed(fault) })))?.remedy).toContain(remedy);
  });

  it('takes the word of the error for what a proxy does not reach', () => {
    const behind = image(endpoint({ answer: failed('ECONNREFUSED', 'p.io:3128') }));
    expect(check('registry', behind)?.remedy).toBe('the hint of the error');
    const untrusted = image(endpoint({ answer: failed('CERT_HAS_EXPIRED', 'p.io:3128') }));
    expect(check('registry', untrusted)?.remedy).toContain('renew the certificate');
  });

  it.each([
    [0, 'ok', 'the same time as app.io'],
    [-300_000, 'ok', '300 s behind app.io'],
    [301_000, 'warn', '301 s ahead of app.io'],
    [-86_400_000, 'warn', '86400 s behind app.io'],
  ])('a clock that is %d ms ahead of the registry: %s', (ahead, status, detail) => {
    const theirsMs = Date.UTC(2030, 0, 1);
    const answer = { ...ANSWER, dates: { theirsMs, oursMs: theirsMs + ahead } };
    expect(check('clock-skew', image(endpoint({ answer })))).toMatchObject({ status, detail, subject: 'app.io' });
  });

  it('tells of a registry once, and the worst of it', () => {
    const answers = [endpoint(), endpoint({ answer: failed('ECONNRESET') })];
    const images = answers.map((each, index) => ({ image: `app.io/x:${index}`, endpoints: [each] }));
    const registries = judgeNetwork({ ...QUIET_NETWORK, images }).filter(({ name }) => name === 'registry');
    expect(registries.map(({ status }) => status)).toEqual(['fail']);
  });
});
