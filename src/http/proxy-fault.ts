import { SealiftError } from '../errors/index.ts';
import { describeFault, errorCode, isUntrusted } from './fault.ts';
import type { HttpProxy } from './parse-proxy.ts';
import { isRetryableStatus } from './retry.ts';

const CHECK_PROXY = 'check that the proxy runs and is reachable, or add the host of the registry to no_proxy';

/** What Node's parser says when the connection ends inside a head. */
const EARLY_END = 'HPE_INVALID_EOF_STATE';

function subjectOf(proxy: HttpProxy): { readonly subject: string; readonly context: { readonly proxy: string } } {
  return { subject: `proxy ${proxy.name}`, context: { proxy: proxy.name } };
}

/** The proxy was not reached, or is not whom it should be. */
export function proxyUnreachable(proxy: HttpProxy, cause: unknown): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const hint = isUntrusted(cause) ? 'give the certificate authority of the proxy as an extra root' : CHECK_PROXY;
  return new SealiftError('HTTP_UNAVAILABLE', `${subject}: ${describeFault(cause)}`, { context, hint, cause });
}

/** The connection broke, or what came is not HTTP, while the tunnel was asked for. */
export function brokenTunnel(proxy: HttpProxy, cause: unknown): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const code = errorCode(cause);
  if (!code.startsWith('HPE_') || code === EARLY_END) return proxyUnreachable(proxy, cause);
  return new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: ${describeFault(cause)}`, { context, cause });
}

/** The proxy has done its part as far as can be seen; what failed is the connection to the server inside of the tunnel. */
export function brokenInTunnel(proxy: HttpProxy, cause: unknown): SealiftError {
  const { subject, context } = subjectOf(proxy);
  const untrusted = 'give the certificate authority of the registry, or of a proxy that opens TLS, as an extra root';
  return new SealiftError('HTTP_UNAVAILABLE', `through ${subject}: ${describeFault(cause)}`, {
    context,
    cause,
    ...(isUntrusted(cause) ? { hint: untrusted } : {}),
  });
}

export function unexpectedBytes(proxy: HttpProxy): SealiftError {
  const { subject, context } = subjectOf(proxy);
  return new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: sent bytes of its own into the tunnel`, { context });
}

/** The proxy answered and gave no tunnel. The status is the proxy's, so the context does not call it `status`. */
export function proxyRefusal(proxy: HttpProxy, status: number): SealiftError {
  const { subject, context: where } = subjectOf(proxy);
  const context = { ...where, proxyStatus: status };
  const message = `${subject}: status ${status}`;
  if (status === 407) return new SealiftError('HTTP_PROXY_AUTH_REQUIRED', message, { context });
  if (!isRetryableStatus(status)) return new SealiftError('HTTP_PROXY_REFUSED', message, { context });
  const hint = 'the proxy may not reach the registry; check it there, or add the host of the registry to no_proxy';
  return new SealiftError('HTTP_UNAVAILABLE', message, { context, hint });
}
