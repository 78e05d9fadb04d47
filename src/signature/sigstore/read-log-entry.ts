import { readDocument, refuseBecause, requireWithin, type StrictObject } from './strict-object.ts';
import type { SigstoreLimits } from './types.ts';

/** The entry of a transparency log as it was read. Nothing of it has been verified. */
export interface LogEntry {
  /** What the log has hashed. */
  readonly body: Uint8Array;
  readonly logIndex: bigint;
  readonly logId: Uint8Array;
  /** Seconds since 1970. Only a promise proves it. */
  readonly integratedTime: bigint;
  /** The signed entry timestamp. */
  readonly promise: Uint8Array | undefined;
  readonly proof: InclusionProof | undefined;
  /** What the bundle says of the body; undefined in annotations, which do not say it. */
  readonly kindVersion: { readonly kind: string; readonly version: string } | undefined;
}

export interface InclusionProof {
  readonly logIndex: bigint;
  readonly treeSize: bigint;
  readonly rootHash: Uint8Array;
  readonly hashes: readonly Uint8Array[];
  /** A signed note. */
  readonly checkpoint: string;
}

export const LOG_ENTRY_MEMBERS: readonly string[] = [
  ...['logIndex', 'logId', 'kindVersion', 'integratedTime', 'inclusionPromise', 'inclusionProof', 'canonicalizedBody'],
];

/**
 * Reads an entry of a bundle.
 * https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_rekor.proto
 */
export function readLogEntry(entry: StrictObject, limits: SigstoreLimits): LogEntry {
  const kindVersion = entry.object('kindVersion', ['kind', 'version']);
  return {
    body: entry.bytes('canonicalizedBody'),
    logIndex: entry.wholeNumber('logIndex'),
    logId: entry.object('logId', ['keyId']).bytes('keyId'),
    integratedTime: entry.wholeNumber('integratedTime'),
    promise: entry.objectIfPresent('inclusionPromise', ['signedEntryTimestamp'])?.bytes('signedEntryTimestamp'),
    proof: readProof(entry, limits),
    kindVersion: { kind: kindVersion.text('kind'), version: kindVersion.text('version') },
  };
}

function readProof(entry: StrictObject, limits: SigstoreLimits): InclusionProof | undefined {
  const members = ['logIndex', 'rootHash', 'treeSize', 'hashes', 'checkpoint'];
  const proof = entry.objectIfPresent('inclusionProof', members);
  if (proof === undefined) return undefined;
  const checkpoint = proof.object('checkpoint', ['envelope']).text('envelope');
  requireWithin(Buffer.byteLength(checkpoint), 'bytes of a checkpoint', { limits, limit: 'maxCheckpointBytes' });
  return {
    logIndex: proof.wholeNumber('logIndex'),
    treeSize: proof.wholeNumber('treeSize'),
    rootHash: proof.bytes('rootHash'),
    hashes: proof.byteStrings('hashes', { limits, limit: 'maxInclusionHashes' }),
    checkpoint,
  };
}

const ANNOTATION = {
  isNot: 'its annotation dev.sigstore.cosign/bundle is no promise of a log',
  refuse: refuseBecause('malformed'),
};
const LOG_ID = /^(?:[0-9a-f]{2}){32}$/;

/**
 * Reads what cosign keeps of a log in an annotation. Throws `SIGNATURE_REFUSED`.
 * https://github.com/containers/image/blob/v5.36.2/signature/internal/rekor_set.go
 */
export function readLogAnnotation(text: string): LogEntry {
  const document = readDocument(text, ANNOTATION, ['SignedEntryTimestamp', 'Payload']);
  const payload = document.object('Payload', ['body', 'integratedTime', 'logIndex', 'logID']);
  const logId = payload.text('logID');
  if (!LOG_ID.test(logId)) payload.refuse('logID', 'expected 64 lower-case hexadecimal digits');
  for (const name of ['integratedTime', 'logIndex']) {
    if (!payload.has(name)) payload.refuse(name, 'expected a whole number');
  }
  return {
    body: payload.bytes('body'),
    logIndex: payload.wholeNumber('logIndex'),
    logId: Buffer.from(logId, 'hex'),
    integratedTime: payload.wholeNumber('integratedTime'),
    promise: document.bytes('SignedEntryTimestamp'),
    proof: undefined,
    kindVersion: undefined,
  };
}

const TIMESTAMP_ANNOTATION = {
  isNot: 'its annotation dev.sigstore.cosign/rfc3161timestamp is no timestamp',
  refuse: refuseBecause('malformed'),
};

/**
 * Reads the timestamp that cosign keeps in an annotation: an RFC 3161 response in DER. Throws `SIGNATURE_REFUSED`.
 * https://github.com/sigstore/cosign/blob/v2.6.0/pkg/cosign/bundle/rfc3161timestamp.go
 */
export function readTimestampAnnotation(text: string): Uint8Array {
  return readDocument(text, TIMESTAMP_ANNOTATION, ['SignedRFC3161Timestamp']).bytes('SignedRFC3161Timestamp');
}
