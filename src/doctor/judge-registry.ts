import { ok } from './checks.ts';
import { judgeSkew } from './judge-clock.ts';
import type { EndpointFinding, ImageFinding, RegistryAnswer } from './network-types.ts';
import type { Check, CheckStatus } from './types.ts';

type OtherAnswer = Extract<RegistryAnswer, { kind: 'answered' }>;
type FailedAnswer = Extract<RegistryAnswer, { kind: 'failed' }>;

/** Says for each image which endpoints a pull asks, and for each endpoint whether a registry answers there. */
export function judgeImages(images: readonly ImageFinding[]): readonly Check[] {
  const registries = images.flatMap((image) => ('refusal' in image ? [] : judgeEndpoints(image.endpoints)));
  return [...images.map(judgeImage), ...withoutRepetitions(registries)];
}

function judgeImage(finding: ImageFinding): Check {
  const name = 'image-places';
  const subject = finding.image;
  if ('refusal' in finding) {
    return { name, subject, status: 'fail', detail: finding.refusal.message, remedy: finding.refusal.hint };
  }
  const asked = finding.endpoints.map((each) => (each.use === 'mirror' ? `${each.name} (mirror)` : each.name));
  return { ...ok(name, `asked for at ${asked.join(', then ')}`), subject };
}

/** An endpoint that fails is skipped as long as another one answers, which makes it a warning. */
function judgeEndpoints(endpoints: readonly EndpointFinding[]): readonly Check[] {
  const orElse: CheckStatus = endpoints.some(({ answer }) => isRegistry(answer)) ? 'warn' : 'fail';
  return endpoints.flatMap((endpoint) => {
    const { answer } = endpoint;
    const check = judgeAnswer(endpoint, orElse);
    const dates = answer.kind === 'answered' ? answer.dates : undefined;
    return dates === undefined ? [check] : [check, judgeSkew(endpoint.host, dates)];
  });
}

/**
 * True for a registry, which may require authentication (401), also with a page of a proxy in front of it. A web server
 * answers with a page and 200. https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#determining-support
 */
function isRegistry(answer: RegistryAnswer): boolean {
  if (answer.kind === 'failed') return false;
  return answer.status === 401 || (answer.status === 200 && answer.page === undefined);
}

function judgeAnswer(endpoint: EndpointFinding, orElse: CheckStatus): Check {
  const { answer, host: subject, credentials } = endpoint;
  const { proxy } = answer;
  const name = 'registry';
  const way = proxy === undefined ? '' : ` through the proxy ${proxy}`;
  if (answer.kind === 'failed') {
    return { name, subject, status: orElse, detail: `${answer.message}${way}`, remedy: remedyFor(answer) };
  }
  if (!isRegistry(answer)) return { name, subject, status: orElse, ...describeStranger(answer, way) };
  const { scheme, status, tookMs } = answer;
  const secrets = credentials === undefined ? 'no credentials for it' : `credentials for it from ${credentials}`;
  return { ...ok(name, `${scheme}${way}, status ${status} after ${tookMs} ms; ${secrets}`), subject };
}

function describeStranger({ scheme, status, page }: OtherAnswer, way: string): Pick<Check, 'detail' | 'remedy'> {
  const remedy =
    status === 403
      ? 'it refuses this machine: check its access rules, and those of the proxy'
      : 'check the name and the port; a portal or a proxy may answer instead of the registry';
  if (status === 200) return { detail: `${scheme}${way}: a web page and no registry is at /v2/: ${page}`, remedy };
  const shown = page === undefined ? '' : `: ${page}`;
  return { detail: `${scheme}${way}: expected status 200 or 401 at /v2/, got ${status}${shown}`, remedy };
}

const AUTHORITY =
  'add its certificate authority: image.extra_root_certificates or pull.extra_root_certificates, certs.d, or --cert-dir';
const CLOCK = 'see the check clock first; if the clock is right, ';

/** Remedies by the codes of OpenSSL, of Node and of the resolver; the first pattern that matches counts. */
const REMEDIES: readonly (readonly [fault: RegExp, remedy: string])[] = [
  [/^CERT_HAS_EXPIRED$/, `${CLOCK}renew the certificate of the server`],
  [/^CERT_NOT_YET_VALID$/, `${CLOCK}wait until the certificate of the server becomes valid, or replace it`],
  [
    /^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/,
    'use a name that is in the certificate of the server, or add the name to the certificate',
  ],
  [/^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|CERT_)/, AUTHORITY],
  [
    /ALERT_(?:HANDSHAKE_FAILURE|CERTIFICATE_REQUIRED|BAD_CERTIFICATE)$/,
    'it requires a client certificate: put NAME.cert and NAME.key into its folder in certs.d, or into --cert-dir',
  ],
  [
    /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)|^EPROTO$/,
    'it does not speak TLS on this port: check the port; plain http requires --tls-verify=false, or insecure = true in registries.conf',
  ],
  // With TLS 1.3 a server may close the connection before the client has read the reason.
  [
    /^(?:UND_ERR_SOCKET|ECONNRESET)$/,
    'the server or a firewall closes the connection: if it requires a client certificate, put NAME.cert and NAME.key into its folder in certs.d, or into --cert-dir',
  ],
  [/^(?:ENOTFOUND|EAI_)/, 'check the name, and the name server of this machine (see the check resolver)'],
  [/^E(?:CONNREFUSED|HOSTUNREACH|NETUNREACH|TIMEDOUT)$/, 'check that the server runs, its port, routes and firewalls'],
];

function remedyFor({ fault, hint, proxy }: FailedAnswer): string {
  const known = REMEDIES.find(([pattern]) => pattern.test(fault));
  // The proxy may be at fault as well, and its own hint says so.
  return known === undefined || (proxy !== undefined && /^(?:E(?!RR)|UND)/.test(fault)) ? hint : known[1];
}

const BADNESS: Readonly<Record<CheckStatus, number>> = { ok: 0, skipped: 0, warn: 1, fail: 2 };

/** Several images may share a registry. The worst finding about it counts. */
function withoutRepetitions(checks: readonly Check[]): readonly Check[] {
  const worst = new Map<string, Check>();
  for (const check of checks) {
    const key = `${check.name} ${check.subject}`;
    const known = worst.get(key);
    if (known === undefined || BADNESS[check.status] > BADNESS[known.status]) worst.set(key, check);
  }
  return [...worst.values()];
}
