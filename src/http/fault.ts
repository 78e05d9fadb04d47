import { SealiftError } from '../errors/index.ts';
import type { ResponseHead } from './exchange.ts';
import { type Attempt, parseRetryAfter } from './retry.ts';
import type { HttpRequest, TransportClock } from './types.ts';

type Failed = Extract<Attempt<never>, { kind: 'failed' }>;

const CERTIFICATE_CODE = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|HOSTNAME_MISMATCH|ERR_TLS_CERT)/;

/** What undici's parser says when the connection ends inside a message; its errors carry no code. */
const EARLY_END = /invalid eof state/i;

function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

function describe(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return describe(cause.errors[0]);
  return cause instanceof Error ? cause.message || errorCode(cause) : String(cause);
}

function isProtocolViolation(cause: unknown): boolean {
  if (errorCode(cause) === 'UND_ERR_HEADERS_OVERFLOW') return true;
  return cause instanceof Error && cause.name === 'HTTPParserError' && !EARLY_END.test(cause.message);
}

/**
 * What a broken connection means. Throws `HTTP_RESPONSE_INVALID` when what came is not HTTP; a certificate that does not
 * verify is not asked for again.
 */
export function brokenConnection(request: HttpRequest, url: string, cause: unknown, progressBytes: number): Failed {
  const code = errorCode(cause);
  const subject = `${request.method} ${url}`;
  if (isProtocolViolation(cause)) {
    throw new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: ${describe(cause)}`, { cause });
  }
  const untrusted = CERTIFICATE_CODE.test(code);
  const hint = untrusted ? { hint: 'give the certificate authority of the registry as an extra root' } : {};
  const error = new SealiftError('HTTP_UNAVAILABLE', `${subject}: ${describe(cause)}`, { ...hint, cause });
  const lasting = untrusted || code === 'UND_ERR_DESTROYED';
  return { kind: 'failed', error, lasting, retryAfterMs: undefined, progressBytes };
}

/** A status that asks for another try. */
export function retryableStatus(request: HttpRequest, head: ResponseHead, clock: TransportClock): Failed {
  const { status, headers } = head;
  const error = new SealiftError('HTTP_UNAVAILABLE', `${request.method} ${request.url}: status ${status}`, {
    context: { status },
  });
  const retryAfterMs = parseRetryAfter(headers['retry-after']?.[0], clock.wallNow());
  return { kind: 'failed', error, lasting: false, retryAfterMs, progressBytes: 0 };
}
