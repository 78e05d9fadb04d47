import { inflateRawSync, inflateSync } from 'node:zlib';
import { refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import { formatPacket, type Packet, readPackets, TAGS } from './read-packets.ts';
import { readSignatureFacts, type SignatureFacts } from './read-signature-packet.ts';

/** One signed literal. Whether the signature is authentic is not known yet. */
export interface SignedMessage {
  /** The bytes that the signature is for. */
  readonly untrustedContent: Uint8Array;
  /** The signature, as one packet with a header. */
  readonly signaturePacket: Uint8Array;
  readonly facts: SignatureFacts;
}

const ENCRYPTED_TAGS: ReadonlySet<number> = new Set([
  TAGS.encryptedSessionKey,
  TAGS.symmetricSessionKey,
  TAGS.encrypted,
  TAGS.protectedData,
  TAGS.aeadData,
]);

/** More packets than any accepted message has; the rest of the bytes is not looked at. */
const MAX_PACKETS = 4;

/**
 * What a message may decompress to, whatever it may have on the wire: a thousandth of that is enough to make it, and a
 * real one has a few KiB.
 */
const MAX_INFLATED_BYTES = 1024 * 1024;

/**
 * Walks a simple signature before any library sees it, and accepts one form only: one signature and the one literal
 * that it is for, in either order (the first with a one-pass signature in front), at most once compressed as a whole.
 * So what is verified and what is read afterwards are the same bytes, by construction: attacks on OpenPGP libraries
 * put a second literal, a second signature or text of another framework around the signed part (CVE-2025-47934,
 * CVE-2023-41037, CVE-2025-68972). Throws `SIGNATURE_REFUSED`.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-signature.5.md#the-cryptographic-signature
 */
export function readSignedMessage(raw: Uint8Array, maxBytes: number): SignedMessage {
  if (raw.length > maxBytes) refuseSignature('too-large', `it has ${raw.length} bytes; expected at most ${maxBytes}`);
  if (raw.length === 0) refuseSignature('empty', 'it has no bytes');
  refuseText(raw);
  return readMessage(decompress(listPackets(raw), maxBytes));
}

function refuseText(message: Uint8Array): void {
  const head = Buffer.from(message.subarray(0, 64)).toString('latin1').trimStart();
  if (head.startsWith('-----BEGIN PGP SIGNED MESSAGE')) {
    refuseSignature('cleartext', 'it is a cleartext signature; expected a binary signed message (gpg --sign)');
  }
  if (head.startsWith('-----BEGIN')) {
    refuseSignature('armored', 'it is in ASCII armor; expected a binary signed message (gpg --sign, without --armor)');
  }
}

function refuseMalformed(what: string): never {
  return refuseSignature('malformed', `it is no OpenPGP message: ${what}`);
}

function listPackets(bytes: Uint8Array): readonly Packet[] {
  const packets: Packet[] = [];
  for (const packet of readPackets(bytes, refuseMalformed)) {
    packets.push(packet);
    if (packets.length === MAX_PACKETS) break;
  }
  return packets;
}

function decompress(packets: readonly Packet[], maxBytes: number): readonly Packet[] {
  const [first, ...others] = packets;
  if (first?.tag !== TAGS.compressed) return packets;
  if (others.length > 0) return refuseSignature('trailing-data', 'there is another packet behind the compressed one');
  const inner = listPackets(inflate(first.body, Math.min(maxBytes, MAX_INFLATED_BYTES)));
  if (inner.some(({ tag }) => tag === TAGS.compressed)) {
    return refuseSignature('nested-compression', 'it is compressed more than once');
  }
  return inner;
}

/** https://www.rfc-editor.org/rfc/rfc9580#section-9.4 */
function inflate(body: Uint8Array, maxBytes: number): Uint8Array {
  const [algorithm] = body;
  const compressed = body.subarray(1);
  switch (algorithm) {
    case 0:
      return compressed;
    case 1:
      return inflateWhole(inflateRawSync, compressed, maxBytes);
    case 2:
      return inflateWhole(inflateSync, compressed, maxBytes);
    default: {
      const name = algorithm === 3 ? 'BZip2' : `number ${algorithm}`;
      return refuseSignature('compression', `it is compressed with algorithm ${name}; expected ZIP, ZLIB or none`);
    }
  }
}

function inflateWhole(inflater: typeof inflateSync, compressed: Uint8Array, maxBytes: number): Uint8Array {
  try {
    const { buffer, engine } = inflater(compressed, { maxOutputLength: maxBytes, info: true }) as unknown as {
      readonly buffer: Uint8Array;
      readonly engine: { readonly bytesWritten: number };
    };
    if (engine.bytesWritten === compressed.length) return buffer;
  } catch (cause) {
    const isTooLarge = cause instanceof RangeError;
    throw isTooLarge
      ? new SignatureRefusal('too-large', `it decompresses to more than ${maxBytes} bytes`, { cause })
      : new SignatureRefusal('malformed', 'its compressed data is damaged or cut off', { cause });
  }
  return refuseSignature('trailing-data', 'there are bytes behind the end of its compressed data');
}

function readMessage(packets: readonly Packet[]): SignedMessage {
  const tags = packets.map(({ tag }) => tag);
  if (tags.some((tag) => ENCRYPTED_TAGS.has(tag))) refuseSignature('encrypted', 'it is encrypted');
  const count = (wanted: number): number => tags.filter((tag) => tag === wanted).length;
  if (count(TAGS.signature) > 1 || count(TAGS.onePassSignature) > 1) {
    refuseSignature('several-signatures', 'it holds several signatures; expected exactly one');
  }
  if (count(TAGS.literal) === 0 && count(TAGS.signature) === 1) {
    refuseSignature('detached', 'it is a detached signature; expected the signed text in it (gpg --sign)');
  }
  if (count(TAGS.literal) === 1 && count(TAGS.signature) === 0) {
    refuseSignature('unsigned', 'it holds a text without a signature');
  }
  const [literal] = packets.filter(({ tag }) => tag === TAGS.literal);
  const [signature] = packets.filter(({ tag }) => tag === TAGS.signature);
  const [onePass] = packets.filter(({ tag }) => tag === TAGS.onePassSignature);
  if (literal === undefined || signature === undefined) return refuseMalformed('it holds no signed text');
  const expected = onePass === undefined ? [signature, literal] : [onePass, literal, signature];
  if (expected.some((packet, position) => packet !== packets[position])) {
    return refuseMalformed('its signature and its text come in the wrong order');
  }
  if (packets.length > expected.length) {
    return refuseSignature('trailing-data', 'there is another packet behind the signed message');
  }
  if (onePass !== undefined) checkOnePass(onePass.body, signature.body);
  const facts = readSignatureFacts(signature.body);
  return { untrustedContent: readLiteral(literal.body), signaturePacket: formatPacket(signature), facts };
}

/** A one-pass signature announces the signature that follows. https://www.rfc-editor.org/rfc/rfc9580#section-5.4 */
function checkOnePass(onePass: Uint8Array, signature: Uint8Array): void {
  const [version, type, hash, algorithm] = onePass;
  const expectedVersion = signature[0] === 6 ? 6 : 3;
  const isLast = onePass.at(-1) === 1;
  if (version !== expectedVersion || type !== signature[1] || algorithm !== signature[2] || hash !== signature[3]) {
    refuseMalformed('its signature is not the one that is announced in front of the text');
  }
  // Zero would say that another one-pass signature follows.
  if (!isLast) refuseSignature('several-signatures', 'it announces several signatures; expected exactly one');
}

/** Binary or text, all of which a signature of a binary document signs as they are. */
const LITERAL_FORMATS: ReadonlySet<number> = new Set([...'btu'].map((letter) => letter.charCodeAt(0)));

/** https://www.rfc-editor.org/rfc/rfc9580#section-5.9: format, length and text of a file name, date, content. */
function readLiteral(body: Uint8Array): Uint8Array {
  const [format = 0, nameLength = 0] = body;
  const begin = 2 + nameLength + 4;
  if (!LITERAL_FORMATS.has(format) || begin > body.length) return refuseMalformed('its text is cut off');
  return body.subarray(begin);
}
