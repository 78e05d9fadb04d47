/**
 * Bytes as a string with one character (U+0000–U+00FF) for each byte: names in an archive are bytes, and a string is
 * what maps, sets and comparisons are quick with. Nothing is ever decoded or normalised.
 */
export type ByteString = string & { readonly __brand: 'ByteString' };

export function toByteString(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as ByteString;
}

export function fromByteString(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** For messages: UTF-8 where the bytes are UTF-8, `\xNN` for every byte elsewhere that is not printable ASCII. */
export function showByteString(text: string): string {
  const bytes = fromByteString(text);
  const decoded = bytes.toString('utf8');
  if (!decoded.includes('\ufffd')) return decoded;
  return text.replace(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
