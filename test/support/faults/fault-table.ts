import type { ErrorCode, ErrorKind } from '../../../src/errors/index.ts';
import type { FaultName, FaultPoint } from './fault-actions.ts';

/** Tries of one request where there is no other endpoint to ask. */
export const TRIES = 3;

export type FaultRow = readonly [
  fault: FaultName,
  at: readonly FaultPoint[],
  /** `works`: the image comes all the same. */
  kind: ErrorKind | 'works',
  code: ErrorCode | undefined,
  /** Requests until the only endpoint is given up, redirects and a fresh token included. */
  tries: number,
  /** Whether the next endpoint is asked, and has it. */
  mirror: 'next' | 'not needed',
];

const DOCUMENTS = ['token', 'index', 'manifest', 'config'] as const;
const BEHIND_TOKEN = ['index', 'manifest', 'config', 'layer'] as const;
const BEHIND_PING = ['token', ...BEHIND_TOKEN] as const;
const EVERYWHERE = ['ping', ...BEHIND_PING] as const;

/** The points for a fault that differs from another one only in a detail. */
const TWO = ['index', 'layer'] as const;

/** fault | where | kind | code | tries | next endpoint */
export const FAULT_TABLE: readonly FaultRow[] = [
  // unavailable: tried again, then the next endpoint
  ['status 408', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 429', BEHIND_PING, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 429, Retry-After in seconds', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 429, Retry-After that is no time', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 500', BEHIND_PING, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 502', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 503', BEHIND_PING, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 504', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['503 with an endless body', BEHIND_PING, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['reset before the head', EVERYWHERE, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['close before the head', EVERYWHERE, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['reset behind the head', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['reset after one byte', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['reset in the middle', BEHIND_PING, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['close behind the head', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['close in the middle', BEHIND_PING, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['reset before the last byte', DOCUMENTS, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['close before the last byte', DOCUMENTS, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['close before the last byte', ['layer'], 'works', undefined, 2, 'not needed'],
  ['silence before the head', EVERYWHERE, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['silence behind the head', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['silence in the middle', BEHIND_PING, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 103 without an end', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 100 without an end', TWO, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['status 101', EVERYWHERE, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['two Content-Lengths', EVERYWHERE, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['a byte now and then', ['token', 'config'], 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['a tenth now and then', DOCUMENTS, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],
  ['a tenth now and then', ['layer'], 'works', undefined, 1, 'not needed'],
  ['Content-Length too long', DOCUMENTS, 'unavailable', 'HTTP_UNAVAILABLE', TRIES, 'next'],

  // unavailable, but an answer: asked once
  ['status 429, Retry-After as a date', TWO, 'unavailable', 'HTTP_UNAVAILABLE', 1, 'next'],
  ['status 429, Retry-After of 30 years', TWO, 'unavailable', 'HTTP_UNAVAILABLE', 1, 'next'],
  ['status 404', ['token'], 'unavailable', 'HTTP_STATUS_UNEXPECTED', 1, 'next'],
  ['404 with an endless body', ['token'], 'unavailable', 'HTTP_STATUS_UNEXPECTED', 1, 'next'],
  ['status 400', BEHIND_TOKEN, 'unavailable', 'HTTP_STATUS_UNEXPECTED', 2, 'next'],
  ['status 204', BEHIND_PING, 'unavailable', 'HTTP_STATUS_UNEXPECTED', 1, 'next'],
  ['status 206 without a request for a range', DOCUMENTS, 'unavailable', 'HTTP_STATUS_UNEXPECTED', 1, 'next'],
  ['HTML of a captive portal', BEHIND_PING, 'unavailable', 'HTTP_STATUS_UNEXPECTED', 1, 'next'],
  ['redirect to itself', BEHIND_PING, 'unavailable', 'HTTP_REDIRECT_REFUSED', 6, 'next'],
  ['redirect without a Location', TWO, 'unavailable', 'HTTP_REDIRECT_REFUSED', 1, 'next'],
  ['redirect to a file', BEHIND_PING, 'unavailable', 'HTTP_REDIRECT_REFUSED', 1, 'next'],
  ['redirect with a password', TWO, 'unavailable', 'HTTP_REDIRECT_REFUSED', 1, 'next'],

  // unauthorized: a fresh token once, then the next endpoint
  ['401 whatever the token', ['token'], 'unauthorized', 'REGISTRY_AUTH_REJECTED', 1, 'next'],
  ['401 whatever the token', BEHIND_TOKEN, 'unauthorized', 'REGISTRY_AUTH_REJECTED', 2, 'next'],
  ['401 without a challenge', ['token'], 'unauthorized', 'REGISTRY_AUTH_REJECTED', 1, 'next'],
  ['401 without a challenge', BEHIND_TOKEN, 'unauthorized', 'REGISTRY_AUTH_REJECTED', 2, 'next'],
  ['status 400', ['token'], 'unauthorized', 'REGISTRY_AUTH_REJECTED', 1, 'next'],
  ['status 403', BEHIND_PING, 'unauthorized', 'REGISTRY_AUTH_REJECTED', 1, 'next'],

  // missing: not tried again, the next endpoint
  ['status 404', ['index', 'manifest'], 'missing', 'REGISTRY_MANIFEST_UNKNOWN', 1, 'next'],
  ['status 404', ['config', 'layer'], 'missing', 'REGISTRY_BLOB_UNKNOWN', 1, 'next'],
  ['404 with an endless body', ['index', 'manifest'], 'missing', 'REGISTRY_MANIFEST_UNKNOWN', 1, 'next'],
  ['404 with an endless body', ['config', 'layer'], 'missing', 'REGISTRY_BLOB_UNKNOWN', 1, 'next'],
  ['a break, then status 404', ['index', 'manifest'], 'missing', 'REGISTRY_MANIFEST_UNKNOWN', 2, 'next'],
  ['a break, then status 404', ['config', 'layer'], 'missing', 'REGISTRY_BLOB_UNKNOWN', 2, 'next'],

  // corrupt: not tried again, the next endpoint
  ['Content-Length too short', ['token'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['Content-Length too short', ['index', 'manifest'], 'corrupt', 'MANIFEST_DIGEST_MISMATCH', 1, 'next'],
  ['Content-Length too short', ['config', 'layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],
  ['Content-Length too long', ['layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],
  ['Content-Length beyond the limit', DOCUMENTS, 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['Content-Length beyond the limit', ['layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],
  ['Content-Length negative', EVERYWHERE, 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['chunks that end early', ['token'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['chunks that end early', ['index', 'manifest'], 'corrupt', 'MANIFEST_DIGEST_MISMATCH', 1, 'next'],
  ['chunks that end early', ['config', 'layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],
  ['a chunk size that is no number', TWO, 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['an endless body', DOCUMENTS, 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['an endless body', ['layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],
  ['no HTTP', EVERYWHERE, 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['a head of 1 MB', EVERYWHERE, 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['a head of 50 000 lines', TWO, 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['status 206 without a request for a range', ['layer'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['an empty body', ['token'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['an empty body', ['index'], 'corrupt', 'JSON_INVALID', 1, 'next'],
  ['an empty body', ['manifest'], 'corrupt', 'MANIFEST_DIGEST_MISMATCH', 1, 'next'],
  ['an empty body', ['config', 'layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],
  ['an array instead of an object', ['token'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['an array instead of an object', ['index'], 'corrupt', 'MANIFEST_INVALID', 1, 'next'],
  ['duplicate JSON keys', ['token'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['duplicate JSON keys', ['index'], 'corrupt', 'JSON_INVALID', 1, 'next'],
  ['another digest in its header', ['index', 'manifest'], 'corrupt', 'MANIFEST_DIGEST_MISMATCH', 1, 'next'],
  ['a digest in its header that is none', ['index', 'manifest'], 'corrupt', 'DIGEST_INVALID', 1, 'next'],
  ['one bit changed', ['token'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['one bit changed', ['index', 'manifest'], 'corrupt', 'MANIFEST_DIGEST_MISMATCH', 1, 'next'],
  ['one bit changed', ['config', 'layer'], 'corrupt', 'BLOB_DIGEST_MISMATCH', 1, 'next'],
  ['one byte less', ['token'], 'corrupt', 'HTTP_RESPONSE_INVALID', 1, 'next'],
  ['one byte less', ['index', 'manifest'], 'corrupt', 'MANIFEST_DIGEST_MISMATCH', 1, 'next'],
  ['one byte less', ['config', 'layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],
  ['one byte more', ['index', 'manifest'], 'corrupt', 'MANIFEST_DIGEST_MISMATCH', 1, 'next'],
  ['one byte more', ['config', 'layer'], 'corrupt', 'BLOB_SIZE_MISMATCH', 1, 'next'],

  // odd, and no harm: of a ping only the challenge counts, of a blob only its bytes
  ['no Content-Length, chunks', EVERYWHERE, 'works', undefined, 1, 'not needed'],
  ['no Content-Length, closed at the end', EVERYWHERE, 'works', undefined, 1, 'not needed'],
  ['redirect to another origin', ['ping', ...BEHIND_TOKEN], 'works', undefined, 1, 'not needed'],
  ['a break, then 200 to the Range', BEHIND_PING, 'works', undefined, 2, 'not needed'],
  ['a break, then 200 to the Range', ['ping'], 'works', undefined, 1, 'not needed'],
  ['Content-Encoding gzip', BEHIND_PING, 'works', undefined, 1, 'not needed'],
  ['a break, then a wrong Content-Range', ['layer'], 'works', undefined, 3, 'not needed'],
  ['a break, then no Content-Range', ['layer'], 'works', undefined, 3, 'not needed'],
  ['a break, then status 416', ['layer'], 'works', undefined, 3, 'not needed'],
  ['another digest in its header', ['config', 'layer'], 'works', undefined, 1, 'not needed'],
  ['status 400', ['ping'], 'works', undefined, 1, 'not needed'],
  ['status 403', ['ping'], 'works', undefined, 1, 'not needed'],
  ['status 404', ['ping'], 'works', undefined, 1, 'not needed'],
  ['404 with an endless body', ['ping'], 'works', undefined, 1, 'not needed'],
  ['status 429', ['ping'], 'works', undefined, 1, 'not needed'],
  ['status 500', ['ping'], 'works', undefined, 1, 'not needed'],
  ['status 503', ['ping'], 'works', undefined, 1, 'not needed'],
  ['503 with an endless body', ['ping'], 'works', undefined, 1, 'not needed'],
  ['status 204', ['ping'], 'works', undefined, 1, 'not needed'],
  ['status 206 without a request for a range', ['ping'], 'works', undefined, 1, 'not needed'],
  ['redirect to itself', ['ping'], 'works', undefined, 1, 'not needed'],
  ['redirect to a file', ['ping'], 'works', undefined, 1, 'not needed'],
  ['close in the middle', ['ping'], 'works', undefined, 1, 'not needed'],
  ['close before the last byte', ['ping'], 'works', undefined, 1, 'not needed'],
  ['silence in the middle', ['ping'], 'works', undefined, 1, 'not needed'],
  ['401 without a challenge', ['ping'], 'works', undefined, 1, 'not needed'],
  ['Content-Length too short', ['ping'], 'works', undefined, 1, 'not needed'],
  ['HTML of a captive portal', ['ping'], 'works', undefined, 1, 'not needed'],
  ['an endless body', ['ping'], 'works', undefined, 1, 'not needed'],
];
