import { gunzipSync } from 'node:zlib';
import { encodingOf } from './response-head.ts';
import type { ResponseHead } from './types.ts';

/**
 * Returns the decoded body of a response that is labelled as gzip and is gzip; undefined if it is not, or if it would be
 * longer than `maxBytes`. Requests ask for no encoding, but some servers and proxies encode documents all the same.
 */
export function decodeBody(
  head: Pick<ResponseHead, 'headers'>,
  body: Uint8Array,
  maxBytes: number,
): Uint8Array | undefined {
  const encoding = encodingOf(head);
  const isGzip = (encoding === 'gzip' || encoding === 'x-gzip') && body[0] === 0x1f && body[1] === 0x8b;
  if (!isGzip) return undefined;
  try {
    return new Uint8Array(gunzipSync(body, { maxOutputLength: maxBytes }));
  } catch {
    return undefined;
  }
}
