import { contextTag, type DerBound, type DerMembers, type DerValue, readDer, TAG } from '../certificates/index.ts';
import { readHash, readSignatureAlgorithm, type SignatureAlgorithm } from './read-algorithms.ts';
import { refuseTimestamp } from './refuse-timestamp.ts';

/** An answer of a timestamp authority, of which only the name of the signer was read. */
export interface UnreadTimestamp {
  /** Undefined for a signer that is named in another way. */
  readonly signer: SignerName | undefined;
  /** Reads the rest, once. Throws `SIGNATURE_REFUSED`. */
  read(): Timestamp;
}

/** A timestamp of RFC 3161 as it was read. Nothing of it has been verified. */
export interface Timestamp {
  /** The TSTInfo in DER. */
  readonly rawInfo: Uint8Array;
  readonly info: TimestampInfo;
  /** What is signed: the attributes in DER. */
  readonly rawAttributes: Uint8Array;
  readonly attributes: SignedAttributes;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** The certificate whose key made the signature. */
export interface SignerName {
  /** The name of its issuer in DER. */
  readonly rawIssuer: Uint8Array;
  /** Its serial number, as the bytes of an integer in DER. */
  readonly serial: Uint8Array;
}

export interface TimestampInfo {
  /** The hash of what the timestamp is for. */
  readonly imprint: HashValue;
  readonly at: Date;
}

export interface HashValue {
  readonly hash: string;
  readonly value: Uint8Array;
}

export interface SignedAttributes {
  readonly messageDigest: HashValue;
  /** The hash of the certificate of the signer, by each attribute that has one; at least one. */
  readonly certificateHashes: readonly HashValue[];
}

const SIGNED_DATA = '1.2.840.113549.1.7.2';
const TST_INFO = '1.2.840.113549.1.9.16.1.4';

/** granted, grantedWithMods */
const MAX_GRANTED = 1;

/**
 * Opens the answer of a timestamp authority: one token in DER, with one signer. What others than a trusted authority have
 * signed need not be read. The certificates in it are never read, so their order and number change nothing
 * (CVE-2026-39984). Throws `SIGNATURE_REFUSED`.
 * https://www.rfc-editor.org/rfc/rfc3161#section-2.4.2
 */
export function openTimestamp(raw: Uint8Array, bound: DerBound): UnreadTimestamp {
  const response = readDer(raw, bound, refuseTimestamp).members();
  const status = response.next();
  const { rawInfo, signer } = readToken(response.next());
  response.end();
  const members = signer.members();
  members.next().smallInteger();
  return {
    signer: readSignerName(members.next()),
    read: () => {
      requireGranted(status);
      return { rawInfo, info: readInfo(readDer(rawInfo, bound, refuseTimestamp)), ...readSigner(members) };
    },
  };
}

function requireGranted(status: DerValue): void {
  const members = status.members();
  const code = members.next().smallInteger();
  // A text or the reason of a failure may follow.
  if (code > MAX_GRANTED) refuseTimestamp(`the authority has not granted it (status ${code})`);
}

/** https://www.rfc-editor.org/rfc/rfc5652#section-5.1 */
function readToken(token: DerValue): { readonly rawInfo: Uint8Array; readonly signer: DerValue } {
  const content = token.members();
  requireType(content.next(), SIGNED_DATA);
  const signedData = unwrap(content.next()).members();
  content.end();
  signedData.next().smallInteger();
  signedData.next().members(TAG.set);
  const encapsulated = signedData.next().members();
  requireType(encapsulated.next(), TST_INFO);
  const rawInfo = unwrap(encapsulated.next()).octets();
  encapsulated.end();
  // Certificates and revocation lists: those of the trusted authority count.
  signedData.nextIf(contextTag(0, 'constructed'));
  signedData.nextIf(contextTag(1, 'constructed'));
  const [signer, ...others] = signedData.next().members(TAG.set).rest();
  signedData.end();
  if (signer === undefined || others.length > 0) return refuseTimestamp('expected one signer');
  return { rawInfo, signer };
}

function requireType(value: DerValue, expected: string): void {
  const actual = value.objectIdentifier();
  if (actual !== expected) refuseTimestamp(`expected the type ${expected}, got ${actual}`);
}

/** Returns what is in `[0]`. */
function unwrap(value: DerValue): DerValue {
  const members = value.members(contextTag(0, 'constructed'));
  const inner = members.next();
  members.end();
  return inner;
}

/** Reads what follows the name of a signer. https://www.rfc-editor.org/rfc/rfc5652#section-5.3 */
function readSigner(members: DerMembers): Omit<Timestamp, 'rawInfo' | 'info'> {
  const hash = readHash(members.next());
  const attributes = members.next();
  const items = attributes.members(contextTag(0, 'constructed')).rest();
  const algorithm = readSignatureAlgorithm(members.next(), hash);
  const signature = members.next().octets();
  // Attributes that are not signed.
  members.nextIf(contextTag(1, 'constructed'));
  members.end();
  return {
    // They are signed as a set, and sent with another tag.
    rawAttributes: Buffer.concat([Uint8Array.of(TAG.set), attributes.raw.subarray(1)]),
    attributes: readAttributes(items, hash),
    algorithm,
    signature,
  };
}

function readSignerName(value: DerValue): SignerName | undefined {
  // A signer may be named by the ID of its key as well.
  if (value.tag !== TAG.sequence) return undefined;
  const members = value.members();
  const rawIssuer = members.next().raw;
  const serial = members.next().integerBytes();
  members.end();
  return { rawIssuer, serial };
}

const ATTRIBUTE = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;

/** Each attribute is there once, with one value. Those that are not known say nothing about the time. */
function readAttributes(items: readonly DerValue[], hash: string): SignedAttributes {
  const attributes = new Map<string, readonly DerValue[]>();
  for (const item of items) {
    const members = item.members();
    const type = members.next().objectIdentifier();
    if (attributes.has(type)) refuseTimestamp(`it has the attribute ${type} twice`);
    attributes.set(type, members.next().members(TAG.set).rest());
    members.end();
  }
  const find = (type: string): DerValue | undefined => {
    const [value, ...others] = attributes.get(type) ?? [];
    return others.length === 0 ? value : refuseTimestamp(`expected one value of the attribute ${type}`);
  };
  const require = (type: string): DerValue => find(type) ?? refuseTimestamp(`expected the attribute ${type}`);
  requireType(require(ATTRIBUTE.contentType), TST_INFO);
  const [first, second] = [find(ATTRIBUTE.signingCertificate), find(ATTRIBUTE.signingCertificateV2)];
  const certificateHashes = [
    ...(first === undefined ? [] : [readCertificateHash(first, 'sha1')]),
    ...(second === undefined ? [] : [readCertificateHash(second, undefined)]),
  ];
  // RFC 3161 demands it, so that one certificate cannot be exchanged for another one with the same key.
  if (certificateHashes.length === 0) refuseTimestamp(`expected the attribute ${ATTRIBUTE.signingCertificateV2}`);
  return { messageDigest: { hash, value: require(ATTRIBUTE.messageDigest).octets() }, certificateHashes };
}

/**
 * Reads the hash of the first certificate of the attribute, which is that of the signer. `hash`: the one that the first
 * version of the attribute always has; the second one names it, unless it is SHA-256.
 * https://www.rfc-editor.org/rfc/rfc5035#section-4
 */
function readCertificateHash(value: DerValue, hash: string | undefined): HashValue {
  const members = value.members();
  const list = members.next().members();
  // Policies
  members.rest();
  const id = list.next().members();
  list.rest();
  const named = hash === undefined ? id.nextIf(TAG.sequence) : undefined;
  const certificateHash = id.next().octets();
  // Issuer and serial number
  id.rest();
  return { hash: hash ?? (named === undefined ? 'sha256' : readHash(named)), value: certificateHash };
}

/** https://www.rfc-editor.org/rfc/rfc3161#section-2.4.2 */
function readInfo(value: DerValue): TimestampInfo {
  const members = value.members();
  if (members.next().smallInteger() !== 1) refuseTimestamp('expected version 1 of its content');
  // Under which policy it was made.
  members.next().objectIdentifier();
  const imprint = members.next().members();
  const hash = readHash(imprint.next());
  const hashed = imprint.next().octets();
  imprint.end();
  members.next().integerBytes();
  const at = readGeneralizedTime(members.next());
  // Accuracy, order, nonce and name of the authority.
  members.nextIf(TAG.sequence);
  members.nextIf(TAG.boolean);
  members.nextIf(TAG.integer);
  members.nextIf(contextTag(0, 'constructed'));
  const extensions = members.nextIf(contextTag(1, 'constructed'));
  members.end();
  for (const extension of extensions?.members(contextTag(1, 'constructed')).rest() ?? []) requireNotCritical(extension);
  return { imprint: { hash, value: hashed }, at };
}

function requireNotCritical(extension: DerValue): void {
  const members = extension.members();
  const type = members.next().objectIdentifier();
  if (members.nextIf(TAG.boolean)?.boolean() === true) {
    refuseTimestamp(`it has a critical extension that is not known: ${type}`);
  }
}

const GENERALIZED_TIME = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})(?:\.([0-9]{0,8}[1-9]))?Z$/;
const MILLISECOND_DIGITS = 3;

/** In UTC, with a fraction of a second that has no zeros at its end. Parts of a millisecond are cut off. */
function readGeneralizedTime(value: DerValue): Date {
  const text = Buffer.from(value.octets(TAG.generalizedTime)).toString('latin1');
  const [, year, month, day, hours, minutes, seconds, fraction = ''] = GENERALIZED_TIME.exec(text) ?? [];
  const milliseconds = fraction.slice(0, MILLISECOND_DIGITS).padEnd(MILLISECOND_DIGITS, '0');
  const iso = `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.${milliseconds}Z`;
  const date = new Date(iso);
  // A date such as 31 February would become one in March.
  const isExact = !Number.isNaN(date.getTime()) && date.toISOString() === iso;
  return isExact ? date : refuseTimestamp('expected a time in UTC');
}
