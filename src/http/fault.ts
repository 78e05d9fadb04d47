import { type ErrorContext, prefixError, SealiftError } from '../errors/index.ts';
import { subjectOf } from './refusal.ts';
import type { FailedAttempt } from './retry.ts';
import { causeToKeep, errorCode, explainTls, faultCode, isLastingTls } from './tls-fault.ts';
import type { HttpRequest } from './types.ts';

/** Matches the message of undici's parser when the connection ends inside a response; its errors have no code. */
const EARLY_END = /invalid eof state/i;

export function describeFault(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return describeFault(cause.errors[0]);
  const tls = explainTls(cause);
  if (tls !== undefined) return tls.sentence;
  return cause instanceof Error ? cause.message || errorCode(cause) : String(cause);
}

/** Returns the error context for what broke a connection. */
export function faultContext(cause: unknown): ErrorContext {
  // A limit of Sealift ended the connection; its context names the limit.
  if (cause instanceof SealiftError) return cause.context;
  const fault = faultCode(cause);
  if (fault === 'UND_ERR_CONNECT_TIMEOUT') return { fault, limit: 'connectTimeoutMs' };
  return fault === '' ? {} : { fault };
}

function hintFor(cause: unknown): { readonly hint?: string } {
  const hint = explainTls(cause)?.hint;
  return hint === undefined ? {} : { hint };
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
  const lasting = isLastingTls({ code: fault.context['fault'] });
  return { kind: 'failed', error, lasting, retryAfterMs: undefined, progressBytes };
}

/** A broken connection. `url` differs from that of the request after a redirect. */
interface Breakage {
  readonly url: string;
  readonly cause: unknown;
}

/**
 * Returns the failure of an attempt whose connection broke. It is lasting if TLS cannot work with this server. Throws
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
    cause: causeToKeep(cause),
  });
  const lasting = isLastingTls(cause) || errorCode(cause) === 'UND_ERR_DESTROYED';
  return { kind: 'failed', error, lasting, retryAfterMs: undefined, progressBytes };
}
