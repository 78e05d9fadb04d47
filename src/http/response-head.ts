import { SealiftError } from '../errors/index.ts';
import type { ByteRange, ResponseHead } from './types.ts';

function refuse(subject: string, why: string): never {
  throw new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: ${why}`);
}

/**
 * Returns the Content-Encoding, cut for a message; undefined for identity, which requests ask for. It decides nothing
 * about bytes that have the expected size and digest: storage services store the label of an upload.
 */
export function encodingOf({ headers }: Pick<ResponseHead, 'headers'>): string | undefined {
  const encodings = (headers['content-encoding'] ?? []).map((encoding) => encoding.trim().toLowerCase());
  if (encodings.every((encoding) => encoding === '' || encoding === 'identity')) return undefined;
  return encodings.join(', ').slice(0, 64);
}

/** Names the Content-Encoding for the end of a message about wrong bytes; empty for identity. */
export function formatEncoding(head: Pick<ResponseHead, 'headers'>): string {
  const encoding = encodingOf(head);
  return encoding === undefined ? '' : ` with Content-Encoding ${encoding}`;
}

/** Returns the Content-Length, if there is one. Throws `HTTP_RESPONSE_INVALID` if it is not a single safe integer. */
export function contentLength(subject: string, head: ResponseHead): number | undefined {
  const values = head.headers['content-length'];
  if (values === undefined) return undefined;
  const [value = ''] = values;
  const length = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (values.length !== 1 || !Number.isSafeInteger(length)) {
    refuse(subject, `expected one Content-Length in bytes, got ${values.join(', ').slice(0, 64)}`);
  }
  return length;
}

/** A range of a blob of `size` bytes. */
export interface RangeOfBlob extends ByteRange {
  readonly size: number;
}

function formatRange({ first, last, size }: RangeOfBlob): string {
  return `bytes ${first}-${last}/${size}`;
}

/** True if the response has exactly this range. https://www.rfc-editor.org/rfc/rfc9110#section-14.4 */
export function hasRange({ headers }: ResponseHead, range: RangeOfBlob): boolean {
  const values = headers['content-range'] ?? [];
  return values.length === 1 && values[0]?.toLowerCase() === formatRange(range);
}

/** Throws `HTTP_RESPONSE_INVALID` unless the response has exactly this range. */
export function assertContentRange(subject: string, head: ResponseHead, range: RangeOfBlob): void {
  if (hasRange(head, range)) return;
  const got = (head.headers['content-range'] ?? []).join(', ').slice(0, 128);
  refuse(subject, `expected Content-Range "${formatRange(range)}", got "${got}"`);
}

/**
 * False for a body that has neither length nor chunks: it ends with its connection, just like a body that was cut off.
 */
export function hasFraming(head: ResponseHead): boolean {
  return head.headers['content-length'] !== undefined || head.headers['transfer-encoding'] !== undefined;
}

/** Returns the strong ETag, which promises identical bytes. https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3 */
export function strongEtag(head: ResponseHead): string | undefined {
  const [etag = '', ...others] = head.headers['etag'] ?? [];
  return others.length === 0 && /^"[\x21\x23-\x7e]{1,256}"$/.test(etag) ? etag : undefined;
}
