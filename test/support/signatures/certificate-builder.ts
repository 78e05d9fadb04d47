import { createHash } from 'node:crypto';
import { bits, der, integer, octets, oid, sequence, time, utf8, yes } from './der-builder.ts';
import { makeSigner, signBytes, type TestKeyKind, type TestSigner } from './sigstore-builder.ts';

/** A certificate that a test made, with its key. */
export interface TestCertificate {
  readonly raw: Buffer;
  readonly pem: string;
  readonly signer: TestSigner;
  /** The name of its subject in DER. */
  readonly subject: Buffer;
}

export interface CertificateOptions {
  /** Empty: a name without parts. */
  readonly subject?: string;
  /** Absent: the certificate is signed by its own key. */
  readonly issuer?: TestCertificate;
  readonly signer?: TestSigner;
  readonly kind?: TestKeyKind;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly extensions?: readonly Buffer[];
  /** The algorithm of the signature; must fit to the key of the issuer. */
  readonly algorithm?: keyof typeof ALGORITHMS;
  /** Logs that promise to publish it. */
  readonly scts?: readonly SctOptions[];
  /** Changes the members of what is signed: version, serial, algorithm, issuer, validity, subject, key, extensions. */
  readonly change?: (members: readonly Buffer[]) => readonly Buffer[];
}

export interface SctOptions {
  readonly log: TestSigner;
  readonly at?: Date;
  /** Changes the list of SCTs before it becomes an extension. */
  readonly change?: (sct: Buffer) => Buffer;
}

const NULL = der(0x05);
const ALGORITHMS = {
  'ecdsa-sha256': { id: sequence(oid('1.2.840.10045.4.3.2')), hash: 'sha256' },
  'ecdsa-sha384': { id: sequence(oid('1.2.840.10045.4.3.3')), hash: 'sha384' },
  'ecdsa-sha512': { id: sequence(oid('1.2.840.10045.4.3.4')), hash: 'sha512' },
  'ecdsa-sha1': { id: sequence(oid('1.2.840.10045.4.1')), hash: 'sha1' },
  'rsa-sha256': { id: sequence(oid('1.2.840.113549.1.1.11'), NULL), hash: 'sha256' },
  'rsa-sha1': { id: sequence(oid('1.2.840.113549.1.1.5'), NULL), hash: 'sha1' },
  ed25519: { id: sequence(oid('1.3.101.112')), hash: null },
} as const;

/** Before and after all times of these tests. */
export const NOT_BEFORE = new Date('2026-01-01T00:00:00Z');
export const NOT_AFTER = new Date('2036-01-01T00:00:00Z');

/** A name with one part, its common name. */
export function nameOf(text: string): Buffer {
  return text === '' ? sequence() : sequence(der(0x31, sequence(oid('2.5.4.3'), utf8(text))));
}

export function extension(id: string, value: Uint8Array, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [yes] : []), octets(value));
}

export const EKU = { codeSigning: '1.3.6.1.5.5.7.3.3', timeStamping: '1.3.6.1.5.5.7.3.8', any: '2.5.29.37.0' } as const;

/** Basic constraints of an authority. */
export function authority(maxPathLength?: number): Buffer {
  return extension('2.5.29.19', sequence(yes, ...(maxPathLength === undefined ? [] : [integer(maxPathLength)])), true);
}

/** Key usage, by the numbers of its bits: 0 is for signatures, 5 for certificates. */
export function keyUsage(...uses: readonly number[]): Buffer {
  const byte = uses.reduce((value, bit) => value | (0x80 >> bit), 0);
  const unused = 7 - Math.max(...uses);
  return extension('2.5.29.15', der(0x03, Uint8Array.of(unused, byte)), true);
}

export function extendedKeyUsage(...purposes: readonly string[]): Buffer {
  return extension('2.5.29.37', sequence(...purposes.map(oid)));
}

/** Subject alternative names. */
export function names(...list: readonly Uint8Array[]): Buffer {
  return extension('2.5.29.17', sequence(...list), true);
}

export const email = (text: string): Buffer => der(0x81, Buffer.from(text));
export const dns = (text: string): Buffer => der(0x82, Buffer.from(text));
export const uri = (text: string): Buffer => der(0x86, Buffer.from(text));
export const ip = (...bytes: readonly number[]): Buffer => der(0x87, Uint8Array.from(bytes));
/** A user name of an issuer without addresses, as Fulcio certifies it. */
export const otherName = (text: string): Buffer => der(0xa0, oid('1.3.6.1.4.1.57264.1.7'), der(0xa0, utf8(text)));

export function nameConstraints({ permitted = [], excluded = [] }: Constraints): Buffer {
  const trees = (tag: number, bases: readonly Buffer[]) =>
    bases.length === 0 ? [] : [der(tag, ...bases.map((base) => sequence(base)))];
  return extension('2.5.29.30', sequence(...trees(0xa0, permitted), ...trees(0xa1, excluded)), true);
}

export interface Constraints {
  readonly permitted?: readonly Buffer[];
  readonly excluded?: readonly Buffer[];
}

/** What an authority has beside its name. */
export const AUTHORITY: readonly Buffer[] = [authority(), keyUsage(5, 6)];

export function makeCertificate(options: CertificateOptions = {}): TestCertificate {
  const { subject = 'authority', issuer, extensions = AUTHORITY, algorithm = 'ecdsa-sha256', scts = [] } = options;
  const signer = options.signer ?? makeSigner(options.kind);
  const name = nameOf(subject);
  const { id, hash } = ALGORITHMS[algorithm];
  const issuing = issuer?.signer ?? signer;
  const encodeTbs = (all: readonly Buffer[]) => {
    const members = [
      der(0xa0, integer(2)),
      integer(1, 2, 3),
      id,
      issuer?.subject ?? name,
      sequence(time(options.notBefore ?? NOT_BEFORE), time(options.notAfter ?? NOT_AFTER)),
      name,
      signer.rawSpki,
      der(0xa3, sequence(...all)),
    ];
    return sequence(...(options.change?.(members) ?? members));
  };
  const promised = scts.map((sct) => encodeSct(sct, encodeTbs(extensions), issuing));
  const list = promised.length === 0 ? [] : [sctExtension(promised)];
  const tbs = encodeTbs([...extensions, ...list]);
  const raw = sequence(tbs, id, bits(signBytes({ ...issuing, hash }, tbs)));
  return { raw, pem: encodePem(raw), signer, subject: name };
}

/** The same certificate with other bytes, which its issuer has signed. */
export function signAgain(certificate: TestCertificate, tbs: Buffer, issuer: TestCertificate): TestCertificate {
  const { id } = ALGORITHMS['ecdsa-sha256'];
  return withBytes(certificate, sequence(tbs, id, bits(signBytes(issuer.signer, tbs))));
}

export function withBytes(certificate: TestCertificate, raw: Buffer): TestCertificate {
  return { ...certificate, raw, pem: encodePem(raw) };
}

export function encodePem(raw: Uint8Array): string {
  const lines =
    Buffer.from(raw)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

function withLength(bytes: number, content: Uint8Array): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return Buffer.concat([length, content]);
}

export function sctExtension(scts: readonly Buffer[]): Buffer {
  const list = withLength(2, Buffer.concat(scts.map((sct) => withLength(2, sct))));
  return extension('1.3.6.1.4.1.11129.2.4.2', octets(list));
}

/** https://www.rfc-editor.org/rfc/rfc6962#section-3.2 */
function encodeSct({ log, at = NOT_BEFORE, change }: SctOptions, tbs: Buffer, issuer: TestSigner): Buffer {
  const timestamp = Buffer.alloc(8);
  timestamp.writeBigUInt64BE(BigInt(at.getTime()));
  const entry = Buffer.concat([Uint8Array.of(0, 1), sha256(issuer.rawSpki), withLength(3, tbs)]);
  const message = Buffer.concat([Uint8Array.of(0, 0), timestamp, entry, Uint8Array.of(0, 0)]);
  const signature = withLength(2, signBytes(log, message));
  const sct = Buffer.concat([Uint8Array.of(0), sha256(log.rawSpki), timestamp, Uint8Array.of(0, 0, 4, 3), signature]);
  return change === undefined ? sct : change(sct);
}
