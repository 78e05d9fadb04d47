import { SealiftError } from '../../errors/index.ts';

/** What one file of a lookaside store holds. */
export type SignatureBlob =
  /** Also one of a form that is refused: then the denial says why it does not count. */
  | { readonly kind: 'simple-signing'; readonly message: Uint8Array }
  /** A signature of Sigstore in the container of containers/image; requirements of the kind `signedBy` ignore it. */
  | { readonly kind: 'sigstore-json' };

/**
 * First bytes of the OpenPGP packets with which a signed message may begin: compressed data, a one-pass signature, a
 * signature; with old and new headers. https://www.rfc-editor.org/rfc/rfc9580#section-4.2
 * The last two rows are encrypted data and text that is not signed, which cannot be good signatures.
 */
const MESSAGE_STARTS: ReadonlySet<number> = new Set([
  ...[0xa0, 0xa1, 0xa2, 0xa3, 0xc8],
  ...[0x90, 0x91, 0x92, 0x93, 0xc4],
  ...[0x88, 0x89, 0x8a, 0x8b, 0xc2],
  ...[0x84, 0x85, 0x86, 0x8c, 0x8d, 0x8e, 0xa4, 0xa5, 0xa6, 0xa7, 0xc1, 0xc3, 0xc9, 0xd2, 0xd4],
  ...[0xac, 0xad, 0xae, 0xaf, 0xcb],
]);

/** ASCII armor and the framework for cleartext. */
const TEXT_START = Buffer.from('-----BEGIN PGP ');

const NAMED_START = 0x00;
const NEWLINE = 0x0a;

/**
 * Tells apart what a signature file may hold by its first byte: an OpenPGP message, or a zero byte and the name of a
 * format in one line. Throws `SIGNATURE_UNAVAILABLE` for anything else, such as the web page of a server that answers
 * each address: nothing says then whether the image is signed.
 * https://github.com/containers/image/blob/v5.36.2/internal/signature/signature.go
 */
export function parseSignatureBlob(rawBytes: Uint8Array): SignatureBlob {
  const [first] = rawBytes;
  if (first === undefined) return refuse('an empty file');
  const isText = TEXT_START.equals(rawBytes.subarray(0, TEXT_START.length));
  if (MESSAGE_STARTS.has(first) || isText) return { kind: 'simple-signing', message: rawBytes };
  if (first !== NAMED_START) return refuse(`bytes that begin with 0x${first.toString(16).padStart(2, '0')}`);
  const end = rawBytes.indexOf(NEWLINE);
  const name = Buffer.from(rawBytes.subarray(1, Math.max(end, 1))).toString('latin1');
  if (end >= 0 && name === 'simple-signing') return { kind: name, message: rawBytes.subarray(end + 1) };
  if (end >= 0 && name === 'sigstore-json') return { kind: name };
  return refuse('an unknown format');
}

function refuse(actual: string): never {
  throw new SealiftError('SIGNATURE_UNAVAILABLE', `expected a signature, got ${actual}`, { context: { actual } });
}
