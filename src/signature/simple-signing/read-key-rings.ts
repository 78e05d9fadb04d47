import { createHash } from 'node:crypto';
import { SealiftError } from '../../errors/index.ts';
import { limitExceeded } from '../../limits/index.ts';
import type { RawKeyRing } from '../signed-content/index.ts';
import { mergeCopies } from './merge-copies.ts';
import { readArmor } from './read-armor.ts';
import { formatPacket, type Packet, type RefuseBytes, readPackets, TAGS } from './read-packets.ts';
import { readIssuerKeyId } from './read-signature-packet.ts';
import type { SimpleSigningLimits } from './types.ts';

/** One public key with its subkeys, as it came. What its signatures say has not been verified. */
export interface PublicKeyBlock {
  /** The fingerprint of the primary key, in upper-case hexadecimal digits. */
  readonly fingerprint: string;
  /** The key IDs of the primary key and its subkeys. */
  readonly keyIds: readonly string[];
  /** How many revocations of the key and its subkeys there are, in whichever form. */
  readonly revocationCount: number;
  readonly rawBytes: Uint8Array;
}

/** https://www.rfc-editor.org/rfc/rfc9580#section-5.2.1.11 */
const KEY_REVOCATION = 0x20;
const SUBKEY_REVOCATION = 0x28;

/** What a key consists of. */
const KEY_TAGS: ReadonlySet<number> = new Set([
  TAGS.publicKey,
  TAGS.publicSubkey,
  TAGS.userId,
  TAGS.userAttribute,
  TAGS.signature,
]);
/** What may be between and has no meaning: gpg keeps its own remarks about keys in trust packets. */
const IGNORED_TAGS: ReadonlySet<number> = new Set([TAGS.trust, TAGS.marker]);
const SECRET_TAGS: ReadonlySet<number> = new Set([TAGS.secretKey, TAGS.secretSubkey]);

interface OpenKey {
  readonly fingerprint: string;
  readonly keyIds: string[];
  readonly packets: Packet[];
}

/**
 * Reads the public keys of all rings, each binary or in ASCII armor. A revocation certificate on its own, as gpg makes
 * one with every key, counts for the key that it names. Throws `POLICY_INVALID` for anything that is no public key, for
 * too many keys, and when there is none.
 */
export function readKeyRings(rings: readonly RawKeyRing[], limits: SimpleSigningLimits): readonly PublicKeyBlock[] {
  const totalBytes = rings.reduce((total, { rawBytes }) => total + rawBytes.length, 0);
  if (totalBytes > limits.maxKeyRingBytes) {
    const excess = { limit: 'maxKeyRingBytes', expected: limits.maxKeyRingBytes, actual: totalBytes } as const;
    throw limitExceeded('policy: bytes of key rings', excess);
  }
  const keys: OpenKey[] = [];
  const revocations: Packet[] = [];
  for (const ring of rings) {
    const found = readRing(ring);
    if (found.keys.length === 0 && found.revocations.length === 0) {
      refuseRing(ring, 'expected at least one public key of OpenPGP version 4 or 6');
    }
    keys.push(...found.keys);
    revocations.push(...found.revocations);
  }
  if (keys.length > limits.maxKeyRingKeys) {
    const excess = { limit: 'maxKeyRingKeys', expected: limits.maxKeyRingKeys, actual: keys.length } as const;
    throw limitExceeded('policy: keys in key rings', excess);
  }
  for (const revocation of revocations) addRevocation(keys, revocation);
  return mergeCopies(keys).map(({ fingerprint, packets }) => ({
    fingerprint,
    keyIds: [...new Set(keys.flatMap((key) => (key.fingerprint === fingerprint ? key.keyIds : [])))],
    revocationCount: packets.filter(isRevocation).length,
    rawBytes: Buffer.concat(packets.map(formatPacket)),
  }));
}

/** Signatures of version 3 have their type behind a length. https://www.rfc-editor.org/rfc/rfc9580#section-5.2.2 */
function isRevocation({ tag, body }: Packet): boolean {
  const type = body[0] === 3 ? body[2] : body[1];
  return tag === TAGS.signature && (type === KEY_REVOCATION || type === SUBKEY_REVOCATION);
}

function refuseRing({ name }: RawKeyRing, what: string): never {
  throw new SealiftError('POLICY_INVALID', `policy: key ring ${name}: ${what}`, { context: { path: name } });
}

interface RingContent {
  readonly keys: readonly OpenKey[];
  readonly revocations: readonly Packet[];
}

function readRing(ring: RawKeyRing): RingContent {
  const refuse: RefuseBytes = (what) => refuseRing(ring, what);
  const { rawBytes } = ring;
  const [first = 0] = rawBytes;
  const isBinary = (first & 0x80) !== 0;
  const blocks = isBinary ? [rawBytes] : readArmor(Buffer.from(rawBytes).toString('latin1'), refuse);
  const contents = blocks.map((block) => readBlock(block, refuse));
  return {
    keys: contents.flatMap(({ keys }) => keys),
    revocations: contents.flatMap(({ revocations }) => revocations),
  };
}

function readBlock(block: Uint8Array, refuse: RefuseBytes): RingContent {
  const keys: OpenKey[] = [];
  const revocations: Packet[] = [];
  // Undefined: the packets belong to a key of a version that cannot be used. Null: no key has come yet.
  let current: OpenKey | undefined | null = null;
  for (const packet of readPackets(block, refuse)) {
    const { tag, body } = packet;
    if (SECRET_TAGS.has(tag)) refuse('expected public keys, got a secret key; use gpg --export');
    if (IGNORED_TAGS.has(tag)) continue;
    if (!KEY_TAGS.has(tag)) refuse(`expected public keys, got an OpenPGP packet of type ${tag}`);
    if (tag === TAGS.publicKey) {
      const fingerprint = fingerprintOf(body, refuse);
      current =
        fingerprint === undefined ? undefined : { fingerprint, keyIds: [keyIdOf(fingerprint)], packets: [packet] };
      if (current !== undefined) keys.push(current);
    } else if (current === null) {
      if (tag !== TAGS.signature || body[1] !== KEY_REVOCATION)
        refuse('expected public keys; the first packet is no key');
      revocations.push(packet);
    } else if (current !== undefined) {
      current.packets.push(packet);
      const fingerprint = tag === TAGS.publicSubkey ? fingerprintOf(body, refuse) : undefined;
      if (fingerprint !== undefined) current.keyIds.push(keyIdOf(fingerprint));
    }
  }
  return { keys, revocations };
}

/** Undefined for a version of keys that is not used any more, or not yet. */
function fingerprintOf(body: Uint8Array, refuse: RefuseBytes): string | undefined {
  const [version] = body;
  if (version === 4) {
    if (body.length > 0xffff) refuse('a public key is too large');
    const head = Buffer.from([0x99, body.length >> 8, body.length]);
    return createHash('sha1').update(head).update(body).digest('hex').toUpperCase();
  }
  if (version !== 6) return undefined;
  const head = Buffer.alloc(5, 0x9b);
  head.writeUInt32BE(body.length, 1);
  return createHash('sha256').update(head).update(body).digest('hex').toUpperCase();
}

/** https://www.rfc-editor.org/rfc/rfc9580#section-5.5.4 */
export function keyIdOf(fingerprint: string): string {
  return fingerprint.length === 64 ? fingerprint.slice(0, 16) : fingerprint.slice(-16);
}

/** Puts a certificate behind the primary keys that it may revoke; whether it does is verified with the key. */
function addRevocation(keys: readonly OpenKey[], revocation: Packet): void {
  const issuer = issuerOf(revocation);
  const revoked = keys.filter(({ fingerprint }) => keyIdOf(fingerprint) === issuer);
  if (revoked.length === 0) {
    const message = `policy: key rings: a revocation certificate is for key ${issuer}, which is in none of them`;
    throw new SealiftError('POLICY_INVALID', message, { context: { key: issuer } });
  }
  for (const { packets } of revoked) packets.splice(1, 0, revocation);
}

function issuerOf(revocation: Packet): string {
  try {
    return readIssuerKeyId(revocation.body);
  } catch (cause) {
    throw new SealiftError('POLICY_INVALID', 'policy: key rings: a revocation certificate is damaged', { cause });
  }
}
