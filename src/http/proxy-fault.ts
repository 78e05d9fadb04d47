import { SealiftError } from '../errors/index.ts';
import { describeFault, faultContext } from './fault.ts';
import type { ProxyServer, SocksProxy } from './parse-proxy.ts';
import { isRetryableStatus } from './retry.ts';
import { causeToKeep, errorCode, explainTls, isUntrusted } from './tls-fault.ts';

const CHECK_PROXY = 'check that the proxy is running and reachable, or add the host of the registry to no_proxy';
const CHECK_ROUTE =
  'the proxy may be unable to reach the registry; check that on the proxy, or add the host of the registry to no_proxy';

/** Error code of Node's parser when the connection ends inside the head of a response. */
const EARLY_END = 'HPE_INVALID_EOF_STATE';

function subjectOf(proxy: ProxyServer): { readonly subject: string; readonly context: { readonly proxy: string } } {
  return { subject: `proxy ${proxy.name}`, context: { proxy: proxy.name } };
}

/** The proxy could not be reached, or its certificate cannot be verified. */
export function proxyUnreachable(proxy: ProxyServer, cause: unknown): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const hint = isUntrusted(cause)
    ? 'add the certificate authority of the proxy to the extra root certificates'
    : CHECK_PROXY;
  return new SealiftError('HTTP_UNAVAILABLE', `${subject}: ${describeFault(cause)}`, {
    context: { ...context, ...faultContext(cause) },
    hint,
    cause: causeToKeep(cause),
  });
}

/** While a tunnel was requested, the connection broke or the response was not HTTP. */
export function brokenTunnel(proxy: ProxyServer, cause: unknown): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const code = errorCode(cause);
  if (!code.startsWith('HPE_') || code === EARLY_END) return proxyUnreachable(proxy, cause);
  const limit = code === 'HPE_HEADER_OVERFLOW' ? { limit: 'maxProxyHeadBytes' } : {};
  const message = `${subject}: ${describeFault(cause)}`;
  return new SealiftError('HTTP_RESPONSE_INVALID', message, { context: { ...context, ...limit }, cause });
}

/** The proxy opened the tunnel, and the connection to the server inside it failed. */
export function brokenInTunnel(proxy: ProxyServer, cause: unknown): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const untrusted =
    'add the certificate authority of the registry, or of a proxy that intercepts TLS, to the extra root certificates';
  const hint = isUntrusted(cause) ? untrusted : explainTls(cause)?.hint;
  return new SealiftError('HTTP_UNAVAILABLE', `through ${subject}: ${describeFault(cause)}`, {
    context: { ...context, ...faultContext(cause) },
    cause: causeToKeep(cause),
    ...(hint === undefined ? {} : { hint }),
  });
}

export function unexpectedBytes(proxy: ProxyServer): SealiftError {
  const { subject, context } = subjectOf(proxy);
  return new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: sent data of its own into the tunnel`, { context });
}

/** The HTTP proxy refused the tunnel. The status is that of the proxy, so the context does not call it `status`. */
export function proxyRefusal(proxy: ProxyServer, status: number): SealiftError {
  const { subject, context: where } = subjectOf(proxy);
  const context = { ...where, proxyStatus: status };
  const message = `${subject}: status ${status}`;
  if (status === 407) return new SealiftError('HTTP_PROXY_AUTH_REQUIRED', message, { context });
  if (!isRetryableStatus(status)) return new SealiftError('HTTP_PROXY_REFUSED', message, { context });
  return new SealiftError('HTTP_UNAVAILABLE', message, { context, hint: CHECK_ROUTE });
}

/** The proxy sent something that SOCKS 5 does not allow. */
export function brokenSocks(proxy: SocksProxy, what: string): SealiftError {
  const { subject, context } = subjectOf(proxy);
  return new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: ${what}`, {
    context,
    hint: 'check that the proxy speaks SOCKS 5, and not HTTP or SOCKS 4',
  });
}

export function socksAuthRefused(proxy: SocksProxy): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const what =
    proxy.account === undefined ? 'requires a user name and a password' : 'refused the user name or the password';
  return new SealiftError('HTTP_PROXY_AUTH_REQUIRED', `${subject}: ${what}`, { context });
}

export function nameTooLong(proxy: SocksProxy, length: number): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const message = `${subject}: expected a host name of at most 255 bytes, got ${length}`;
  return new SealiftError('HTTP_PROXY_REFUSED', message, { context });
}

/** Replies of https://www.rfc-editor.org/rfc/rfc1928#section-6, and whether a later try is useless. */
const SOCKS_REPLIES: ReadonlyMap<number, readonly [words: string, isLasting: boolean]> = new Map([
  [1, ['general failure', false]],
  [2, ['not allowed by its rules', true]],
  [3, ['network unreachable', false]],
  [4, ['host unreachable', false]],
  [5, ['connection refused', false]],
  [6, ['time to live expired', false]],
  [7, ['command not supported', true]],
  [8, ['address type not supported', true]],
]);

/** The SOCKS proxy refused the tunnel. */
export function socksRefusal(proxy: SocksProxy, reply: number): SealiftError {
  const { subject, context: where } = subjectOf(proxy);
  const [words, isLasting] = SOCKS_REPLIES.get(reply) ?? [`reply ${reply}`, true];
  const context = { ...where, proxyReply: reply };
  if (isLasting) return new SealiftError('HTTP_PROXY_REFUSED', `${subject}: ${words}`, { context });
  return new SealiftError('HTTP_UNAVAILABLE', `${subject}: ${words}`, { context, hint: CHECK_ROUTE });
}
