import { type ErrorContext, prefixError, SealiftError } from '../errors/index.ts';
import { subjectOf } from './refusal.ts';
import type { FailedAttempt } from './retry.ts';
import type { HttpRequest } from './types.ts';

const CERTIFICATE_CODE = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|HOSTNAME_MISMATCH|ERR_TLS_CERT)/;

/** Matches the message of undici's parser when the connection ends inside a response; its errors have no code. */
const EARLY_END = /invalid eof state/i;

export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

export function describeFault(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return describeFault(cause.errors[0]);
  return cause instanceof Error ? cause.message || errorCode(cause) : String(cause);
}

/** Returns the error context for what broke a connection. */
export function faultContext(cause: unknown): ErrorContext {
  // A limit of Sealift ended the connection; its context names the limit.
  if (cause instanceof SealiftError) return cause.context;
  const fault = errorCode(cause);
  if (fault === 'UND_ERR_CONNECT_TIMEOUT') return { fault, limit: 'connectTimeoutMs' };
  return fault === '' ? {} : { fault };
}

/** True if the certificate of the server cannot be verified. */
export function isUntrusted(cause: unknown): boolean {
  return CERTIFICATE_CODE.test(errorCode(cause));
}

/** Alerts of a server that requires a client certificate. In TLS 1.3 it may close before the alert has been read. */
const HANDSHAKE_ALERT = /ALERT_(?:HANDSHAKE_FAILURE|CERTIFICATE_REQUIRED)$/;

function hintFor(cause: unknown): { readonly hint?: string } {
  if (isUntrusted(cause))
    return { hint: 'add the certificate authority of the registry to the extra root certificates' };
  if (!HANDSHAKE_ALERT.test(errorCode(cause))) return {};
  return {
    hint: 'if the registry requires a client certificate, put NAME.cert and NAME.key into its directory in certs.d',
  };
}

function isProtocolViolation(cause: unknown): boolean {
  if (errorCode(cause) === 'UND_ERR_HEADERS_OVERFLOW') return true;
  return cause instanceof Error && cause.name === 'HTTPParserError' && !EARLY_END.test(cause.message);
}

/** True for an error of proxy-fault.ts. */
function isProxyFault(cause: unknown): cause is SealiftError {
  return cause instanceof SealiftError && cause.context['proxy'] !== undefined;
}

/** Throws the error if another try would not help: the proxy refuses, or does not speak HTTP. */
function brokenProxy(subject: string, fault: SealiftError, progressBytes: number): FailedAttempt {
  const error = prefixError(subject, fault);
  if (error.code !== 'HTTP_UNAVAILABLE') throw error;
  return { kind: 'failed', error, lasting: isUntrusted(fault.cause), retryAfterMs: undefined, progressBytes };
}

/** A broken connection. `url` differs from that of the request after a redirect. */
interface Breakage {
  readonly url: string;
  readonly cause: unknown;
}

/**
 * Returns the failure of an attempt whose connection broke. It is lasting if the certificate cannot be verified. Throws
 * `HTTP_RESPONSE_INVALID` if the bytes that came are not HTTP.
 */
export function brokenConnection(request: HttpRequest, { url, cause }: Breakage, progressBytes: number): FailedAttempt {
  const subject = subjectOf(request, url);
  if (isProxyFault(cause)) return brokenProxy(subject, cause, progressBytes);
  if (isProtocolViolation(cause)) {
    throw new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: ${describeFault(cause)}`, { cause });
  }
  const error = new SealiftError('HTTP_UNAVAILABLE', `${subject}: ${describeFault(cause)}`, {
    ...hintFor(cause),
    context: faultContext(cause),
    cause,
  });
  const lasting = isUntrusted(cause) || errorCode(cause) === 'UND_ERR_DESTROYED';
  return { kind: 'failed', error, lasting, retryAfterMs: undefined, progressBytes };
}
