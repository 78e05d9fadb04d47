import { refuseSignature } from '../signed-content/index.ts';

/** What has to be known of a signature before its key is looked up. Nothing here is authentic yet. */
export interface SignatureFacts {
  /** Seconds since 1970. */
  readonly createdSeconds: number;
  /** The last eight bytes of a fingerprint of version 4, the first eight of one of version 6, in upper-case hex. */
  readonly issuerKeyId: string;
  /** The fingerprint, if the signature has it. */
  readonly issuerFingerprint: string | undefined;
}

/** https://www.rfc-editor.org/rfc/rfc9580#section-5.2.1.1 */
const BINARY_DOCUMENT = 0x00;

/** https://www.rfc-editor.org/rfc/rfc9580#section-9.5 */
const HASHES: ReadonlyMap<number, string> = new Map([
  [1, 'MD5'],
  [2, 'SHA-1'],
  [3, 'RIPEMD-160'],
  [8, 'SHA-256'],
  [9, 'SHA-384'],
  [10, 'SHA-512'],
  [11, 'SHA-224'],
  [12, 'SHA3-256'],
  [14, 'SHA3-512'],
]);
const WEAK_HASHES: ReadonlySet<number> = new Set([1, 2, 3]);

/** https://www.rfc-editor.org/rfc/rfc9580#section-5.2.3.7 */
const SUBPACKETS = { created: 2, issuer: 16, issuerFingerprint: 33 } as const;
const FINGERPRINT_BYTES: ReadonlyMap<number, number> = new Map([
  [4, 20],
  [6, 32],
]);

/**
 * Bounds both areas of subpackets together. OpenPGP.js makes objects of them before it verifies anything, and the areas
 * of version 6 may have up to 4 GiB; a real signature has some hundred bytes.
 */
const MAX_SUBPACKET_BYTES = 64 * 1024;

/** Bounds the subpackets of both areas together, for the same reason; a real signature has fewer than ten. */
const MAX_SUBPACKETS = 128;

interface Subpacket {
  readonly type: number;
  readonly body: Uint8Array;
  readonly isHashed: boolean;
}

/**
 * Reads the head of a signature of version 4 or 6 over a binary document. Throws `SIGNATURE_REFUSED`.
 * https://www.rfc-editor.org/rfc/rfc9580#section-5.2.3
 */
export function readSignatureFacts(body: Uint8Array): SignatureFacts {
  const [version = 0, type, , hash = 0] = body;
  if (version !== 4 && version !== 6) {
    return refuseSignature('malformed', `it is an OpenPGP signature of version ${version}; expected version 4 or 6`);
  }
  if (type !== BINARY_DOCUMENT) {
    return refuseSignature('signature-type', `it is no signature of a binary document, but of type ${type}`);
  }
  const name = HASHES.get(hash);
  if (name === undefined) return refuseSignature('weak-hash', `its hash algorithm has the unknown number ${hash}`);
  if (WEAK_HASHES.has(hash)) return refuseSignature('weak-hash', `it was made with ${name}, which is not secure`);
  const subpackets = readSubpackets(body);
  return { createdSeconds: readCreated(subpackets), ...readIssuer(subpackets) };
}

/** Returns the key ID that any signature of version 4 or 6 names as its issuer. Throws `SIGNATURE_REFUSED`. */
export function readIssuerKeyId(body: Uint8Array): string {
  return readIssuer(readSubpackets(body)).issuerKeyId;
}

function readSubpackets(body: Uint8Array): readonly Subpacket[] {
  const lengthOctets = body[0] === 6 ? 4 : 2;
  const hashed = readArea(body, 4, lengthOctets);
  const unhashed = readArea(body, hashed.end, lengthOctets);
  const bytes = hashed.area.length + unhashed.area.length;
  if (bytes > MAX_SUBPACKET_BYTES) {
    const text = `it has ${bytes} bytes of OpenPGP subpackets; expected at most ${MAX_SUBPACKET_BYTES}`;
    return refuseSignature('too-large', text);
  }
  const subpackets: Subpacket[] = [];
  for (const { area, isHashed } of [
    { area: hashed.area, isHashed: true },
    { area: unhashed.area, isHashed: false },
  ]) {
    for (const subpacket of parseArea(area, isHashed)) {
      if (subpackets.length === MAX_SUBPACKETS) {
        return refuseSignature('too-large', `it has more than ${MAX_SUBPACKETS} OpenPGP subpackets`);
      }
      subpackets.push(subpacket);
    }
  }
  return subpackets;
}

function readArea(
  body: Uint8Array,
  start: number,
  lengthOctets: 2 | 4,
): { readonly area: Uint8Array; readonly end: number } {
  const begin = start + lengthOctets;
  if (begin > body.length) return refuseCutOff();
  const end = begin + Buffer.from(body.buffer, body.byteOffset, body.length).readUIntBE(start, lengthOctets);
  return end > body.length ? refuseCutOff() : { area: body.subarray(begin, end), end };
}

function* parseArea(area: Uint8Array, isHashed: boolean): Generator<Subpacket, void, void> {
  const view = Buffer.from(area.buffer, area.byteOffset, area.length);
  for (let position = 0; position < area.length; ) {
    const { length, octets } = subpacketLength(view, position);
    const begin = position + octets;
    const end = begin + length;
    if (length === 0 || end > area.length) return refuseCutOff();
    yield { type: view.readUInt8(begin) & 0x7f, body: area.subarray(begin + 1, end), isHashed };
    position = end;
  }
}

function subpacketLength(view: Buffer, position: number): { readonly length: number; readonly octets: number } {
  const first = view.readUInt8(position);
  if (first < 192) return { length: first, octets: 1 };
  const octets = first < 255 ? 2 : 5;
  if (position + octets > view.length) return refuseCutOff();
  const length =
    first < 255 ? (first - 192) * 256 + view.readUInt8(position + 1) + 192 : view.readUInt32BE(position + 1);
  return { length, octets };
}

function refuseCutOff(): never {
  return refuseSignature('malformed', 'its OpenPGP packet is cut off inside its subpackets');
}

function readCreated(subpackets: readonly Subpacket[]): number {
  const [created, another] = subpackets.filter(({ type, isHashed }) => type === SUBPACKETS.created && isHashed);
  if (created === undefined || another !== undefined || created.body.length !== 4) {
    return refuseSignature('malformed', 'expected exactly one signed creation time in the OpenPGP packet');
  }
  return Buffer.from(created.body).readUInt32BE(0);
}

/** The issuer need not be signed: a wrong one only leads to a key that did not make the signature. */
function readIssuer(subpackets: readonly Subpacket[]): Omit<SignatureFacts, 'createdSeconds'> {
  const fingerprints = subpackets
    .filter(({ type }) => type === SUBPACKETS.issuerFingerprint)
    .map(({ body }) => {
      const [version = 0] = body;
      if (FINGERPRINT_BYTES.get(version) !== body.length - 1) return refuseIssuer();
      const fingerprint = Buffer.from(body.subarray(1)).toString('hex').toUpperCase();
      return { fingerprint, keyId: version === 6 ? fingerprint.slice(0, 16) : fingerprint.slice(-16) };
    });
  const keyIds = subpackets
    .filter(({ type }) => type === SUBPACKETS.issuer)
    .map(({ body }) => (body.length === 8 ? Buffer.from(body).toString('hex').toUpperCase() : refuseIssuer()));
  const issuers = new Set([...fingerprints.map(({ keyId }) => keyId), ...keyIds]);
  const [issuerKeyId] = issuers;
  if (issuerKeyId === undefined || issuers.size > 1) return refuseIssuer();
  const known = new Set(fingerprints.map(({ fingerprint }) => fingerprint));
  if (known.size > 1) return refuseIssuer();
  return { issuerKeyId, issuerFingerprint: fingerprints[0]?.fingerprint };
}

function refuseIssuer(): never {
  return refuseSignature('malformed', 'expected the OpenPGP packet to name one key as the issuer');
}
