import { createHash } from 'node:crypto';
import { type Certificate, readPemBlock, type VerificationKey } from '../certificates/index.ts';
import { isSame, refuseSignature } from '../signed-content/index.ts';
import type { LogEntry } from './read-log-entry.ts';
import { type Document, readDocument, refuseBecause, type StrictObject } from './strict-object.ts';

/** A signature that was verified, and that a log entry has to be about. */
export interface VerifiedSignature {
  readonly key: VerificationKey;
  /** The certificate that the key came with, if the policy names authorities. */
  readonly certificate?: Certificate | undefined;
  readonly signature: Uint8Array;
  /** The bytes that the signature is for. */
  readonly message: Uint8Array;
  /** The payload of an envelope, whose signature is for more than it. */
  readonly payload?: Uint8Array;
}

const DOCUMENT: Document = { isNot: 'the body of its log entry cannot be read', refuse: refuseBecause('log') };
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['sha256', 'sha256'],
  ['sha384', 'sha384'],
  ['sha512', 'sha512'],
  ['SHA2_256', 'sha256'],
  ['SHA2_384', 'sha384'],
  ['SHA2_512', 'sha512'],
]);

/** What one body says. */
interface LoggedRecord {
  readonly digest: { readonly algorithm: string; readonly value: Buffer };
  readonly isPayload: boolean;
  readonly signature: Buffer;
  readonly verifier: Verifier;
}

/** What a record says the signature is to be verified with, in DER. */
interface Verifier {
  readonly kind: 'key' | 'certificate';
  readonly raw: Uint8Array;
}

/**
 * Requires that an entry is about this signature: the digest of what was signed, the signature *and* the key are
 * compared. Each of them exchanged alone has been accepted by verifiers (CVE-2022-36056, CVE-2026-22703). A key by its
 * address is an unknown member, and so refused and never fetched (CVE-2026-24117). Throws `SIGNATURE_REFUSED`.
 */
export function requireLogged({ body, kindVersion }: LogEntry, verified: VerifiedSignature): void {
  const { kind, version, record } = readRecord(body);
  if (kindVersion !== undefined && (kindVersion.kind !== kind || kindVersion.version !== version)) {
    refuse('is of another kind than the bundle says');
  }
  const { algorithm, value } = record.digest;
  const signed = record.isPayload ? payloadOf(verified) : verified.message;
  const hash = ALGORITHMS.get(algorithm) ?? refuse('has a digest of an unknown algorithm');
  if (!createHash(hash).update(signed).digest().equals(value)) refuse('is about other content');
  if (!record.signature.equals(verified.signature)) refuse('is about another signature');
  requireVerifier(record.verifier, verified);
}

/** A certificate is compared whole: another one of the same key may be for another author. */
function requireVerifier({ kind, raw }: Verifier, { key, certificate }: VerifiedSignature): void {
  if (certificate === undefined) {
    if (kind === 'certificate') refuse('is about a certificate, and the requirement names keys');
    if (!isSame(raw, key.rawSpki)) refuse('is about another key');
  } else if (kind !== 'certificate' || !isSame(raw, certificate.raw)) {
    refuse('is about another certificate');
  }
}

function payloadOf({ payload }: VerifiedSignature): Uint8Array {
  return payload ?? refuse('is for an envelope; the signature has none');
}

function refuse(what: string): never {
  return refuseSignature('log', `its log entry ${what}`);
}

function readRecord(body: Uint8Array): { kind: string; version: string; record: LoggedRecord } {
  const document = readDocument(body, DOCUMENT, ['apiVersion', 'kind', 'spec']);
  const kind = document.text('kind');
  const version = document.text('apiVersion');
  const read = READERS.get(`${kind} ${version}`);
  if (read === undefined) {
    return refuse(
      `is of the kind ${JSON.stringify(kind.slice(0, 40))} ${JSON.stringify(version.slice(0, 40))}; expected hashedrekord or dsse, 0.0.1 or 0.0.2`,
    );
  }
  return { kind, version, record: read(document) };
}

// https://github.com/sigstore/rekor/tree/v1.4.0/pkg/types and https://github.com/sigstore/rekor-tiles/tree/v2.0.0/api/proto
const READERS: ReadonlyMap<string, (document: StrictObject) => LoggedRecord> = new Map([
  ['hashedrekord 0.0.1', readHashedRecord],
  ['dsse 0.0.1', readEnvelope],
  ['hashedrekord 0.0.2', readHashedRecordV2],
  ['dsse 0.0.2', readEnvelopeV2],
]);

function readHashedRecord(document: StrictObject): LoggedRecord {
  const spec = document.object('spec', ['data', 'signature']);
  const signature = spec.object('signature', ['content', 'publicKey']);
  return {
    digest: readHash(spec.object('data', ['hash']).object('hash', ['algorithm', 'value'])),
    isPayload: false,
    signature: signature.bytes('content'),
    verifier: readVerifier(signature.object('publicKey', ['content']), 'content'),
  };
}

/** The hash of the envelope depends on how its JSON was written, which a bundle does not keep. */
function readEnvelope(document: StrictObject): LoggedRecord {
  const spec = document.object('spec', ['envelopeHash', 'payloadHash', 'signatures']);
  readHash(spec.object('envelopeHash', ['algorithm', 'value']));
  const signature = readOne(spec, ['signature', 'verifier']);
  return {
    digest: readHash(spec.object('payloadHash', ['algorithm', 'value'])),
    isPayload: true,
    signature: signature.bytes('signature'),
    verifier: readVerifier(signature, 'verifier'),
  };
}

function readHashedRecordV2(document: StrictObject): LoggedRecord {
  const spec = document.object('spec', ['hashedRekordV002']).object('hashedRekordV002', ['data', 'signature']);
  return {
    digest: readHashV2(spec.object('data', ['algorithm', 'digest'])),
    isPayload: false,
    ...readSignatureV2(spec.object('signature', ['content', 'verifier'])),
  };
}

function readEnvelopeV2(document: StrictObject): LoggedRecord {
  const spec = document.object('spec', ['dsseV002']).object('dsseV002', ['payloadHash', 'signatures']);
  return {
    digest: readHashV2(spec.object('payloadHash', ['algorithm', 'digest'])),
    isPayload: true,
    ...readSignatureV2(readOne(spec, ['content', 'verifier'])),
  };
}

function readOne(spec: StrictObject, members: readonly string[]): StrictObject {
  const [signature, ...others] = spec.objects('signatures', members);
  return signature === undefined || others.length > 0 ? spec.refuse('signatures', 'expected one') : signature;
}

function readSignatureV2(signature: StrictObject): Pick<LoggedRecord, 'signature' | 'verifier'> {
  const verifier = signature.object('verifier', ['publicKey', 'x509Certificate', 'keyDetails']);
  verifier.text('keyDetails');
  return {
    signature: signature.bytes('content'),
    verifier: readVerifierV2(verifier),
  };
}

function readHash(hash: StrictObject): LoggedRecord['digest'] {
  const value = hash.text('value');
  if (!/^(?:[0-9a-f]{2})+$/.test(value)) hash.refuse('value', 'expected lower-case hexadecimal digits');
  return { algorithm: hash.text('algorithm'), value: Buffer.from(value, 'hex') };
}

function readHashV2(hash: StrictObject): LoggedRecord['digest'] {
  return { algorithm: hash.text('algorithm'), value: hash.bytes('digest') };
}

function readVerifierV2(verifier: StrictObject): Verifier {
  const key = verifier.objectIfPresent('publicKey', ['rawBytes'])?.bytes('rawBytes');
  const certificate = verifier.objectIfPresent('x509Certificate', ['rawBytes'])?.bytes('rawBytes');
  if (key !== undefined && certificate === undefined) return { kind: 'key', raw: key };
  if (key === undefined && certificate !== undefined) return { kind: 'certificate', raw: certificate };
  return verifier.refuse('publicKey', 'expected either it or "x509Certificate"');
}

/** A key or certificate in PEM, in base64. */
function readVerifier(object: StrictObject, name: string): Verifier {
  const pem = object.bytes(name).toString('latin1');
  const kind = pem.includes('BEGIN CERTIFICATE') ? 'certificate' : 'key';
  const label = kind === 'certificate' ? 'CERTIFICATE' : 'PUBLIC KEY';
  return { kind, raw: readPemBlock(pem, label, (what) => object.refuse(name, what)) };
}
