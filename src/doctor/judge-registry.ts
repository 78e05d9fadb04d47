import { ok } from './checks.ts';
import { judgeSkew } from './judge-clock.ts';
import type { EndpointFinding, ImageFinding, RegistryAnswer } from './network-types.ts';
import type { Check, CheckStatus } from './types.ts';

type Answered = Extract<RegistryAnswer, { kind: 'answered' }>;
type Failed = Extract<RegistryAnswer, { kind: 'failed' }>;

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

/** 401 asks who we are: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#determining-support */
function isRegistry(answer: RegistryAnswer): boolean {
  return answer.kind === 'answered' && (answer.status === 200 || answer.status === 401);
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

function describeStranger({ scheme, status }: Answered, way: string): Pick<Check, 'detail' | 'remedy'> {
  const remedy =
    status === 403
      ? 'it refuses this machine: look at its access rules, and at the proxy’s'
      : 'check the name and the port; a portal or a proxy may answer in its place';
  return { detail: `${scheme}${way}: expected status 200 or 401 at /v2/, got ${status}`, remedy };
}

const AUTHORITY =
  'give its authority: image.extra_root_certificates or pull.extra_root_certificates, certs.d, or --cert-dir';
const CLOCK = 'look at the check of the clock first; if that is right, ';

/** By the codes of OpenSSL, of Node and of the resolver: the first pattern that fits. */
const REMEDIES: readonly (readonly [fault: RegExp, remedy: string])[] = [
  [/^CERT_HAS_EXPIRED$/, `${CLOCK}have the certificate of the server renewed`],
  [/^CERT_NOT_YET_VALID$/, `${CLOCK}the certificate of the server is for a later day`],
  [
    /^(?:ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/,
    'use a name that stands in the certificate of the server, or have the name added to it',
  ],
  [/^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|CERT_)/, AUTHORITY],
  [
    /ALERT_(?:HANDSHAKE_FAILURE|CERTIFICATE_REQUIRED|BAD_CERTIFICATE)$/,
    'it wants a client certificate: put NAME.cert and NAME.key into its folder in certs.d, or into --cert-dir',
  ],
  [
    /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)|^EPROTO$/,
    'it does not speak TLS on this port: check the port; plain http takes --tls-verify=false, or insecure = true in registries.conf',
  ],
  // In TLS 1.3 a server may close before anybody has read why.
  [
    /^(?:UND_ERR_SOCKET|ECONNRESET)$/,
    'it, or something on the way, closes the connection: if it wants a client certificate, put NAME.cert and NAME.key into its folder in certs.d, or into --cert-dir',
  ],
  [/^(?:ENOTFOUND|EAI_)/, 'check the name, and the name server of this machine (the check of the resolver)'],
  [
    /^E(?:CONNREFUSED|HOSTUNREACH|NETUNREACH|TIMEDOUT)$/,
    'check that the server runs, its port, and routes and firewalls',
  ],
];

function remedyFor({ fault, hint, proxy }: Failed): string {
  const known = REMEDIES.find(([pattern]) => pattern.test(fault));
  // What stands between may be at fault as well, and its own hint says so.
  return known === undefined || (proxy !== undefined && /^(?:E(?!RR)|UND)/.test(fault)) ? hint : known[1];
}

const BADNESS: Readonly<Record<CheckStatus, number>> = { ok: 0, skipped: 0, warn: 1, fail: 2 };

/** Several images may share a registry. The worst that was found out about it counts. */
function withoutRepetitions(checks: readonly Check[]): readonly Check[] {
  const worst = new Map<string, Check>();
  for (const check of checks) {
    const key = `${check.name} ${check.subject}`;
    const known = worst.get(key);
    if (known === undefined || BADNESS[check.status] > BADNESS[known.status]) worst.set(key, check);
  }
  return [...worst.values()];
}
