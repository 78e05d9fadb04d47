/**
 * One stage of the layer line. It receives bytes and passes on only bytes that it has checked.
 *
 * `write` is synchronous and may block; the caller reuses the chunk as soon as it returns. Only `end` can accept the
 * whole stream. A stage refuses by throwing; a sink that has thrown is never called again.
 */
export interface ByteSink {
  write(chunk: Uint8Array): void;
  end(): void;
}

/**
 * Bytes as a string with one character (U+0000–U+00FF) for each byte. Names in an archive are bytes, and maps, sets and
 * comparisons are fast with strings. Nothing is ever decoded or normalised.
 */
export type ByteString = string & { readonly __brand: 'ByteString' };

export function toByteString(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as ByteString;
}

export function fromByteString(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/**
 * Formats bytes for a message: as UTF-8 if they are UTF-8, otherwise with `\xNN` for each byte outside printable ASCII.
 */
export function showByteString(text: string): string {
  const bytes = fromByteString(text);
  const decoded = bytes.toString('utf8');
  if (!decoded.includes('\ufffd')) return decoded;
  return text.replace(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
