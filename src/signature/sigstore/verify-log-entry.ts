import { createHash } from 'node:crypto';
import type { VerificationKey } from '../certificates/index.ts';
import { refuseSignature } from '../signed-content/index.ts';
import { readCheckpoint } from './read-checkpoint.ts';
import type { InclusionProof, LogEntry } from './read-log-entry.ts';

/**
 * Proves that one of these logs has the entry, by its promise, its inclusion proof, or both; what is there has to hold.
 * Returns undefined for an entry of another log. Throws `SIGNATURE_REFUSED`.
 */
export function verifyLogEntry(entry: LogEntry, keys: readonly VerificationKey[]): VerificationKey | undefined {
  const key = keys.find((each) => isKeyOf(entry, each));
  if (key === undefined) return undefined;
  const { promise, proof } = entry;
  if (promise === undefined && proof === undefined) refuse('has neither a promise nor a proof of the log');
  if (promise !== undefined) verifyPromise(entry, promise, key);
  if (proof !== undefined) verifyInclusion(entry.body, proof, key);
  return key;
}

function refuse(what: string): never {
  return refuseSignature('log', `its log entry ${what}`);
}

const ED25519_NOTE = 0x01;
const ED25519_BYTES = 32;

/**
 * A log's ID is the hash of its key. Logs of Rekor's second version with an Ed25519 key hash the name of the log as
 * well. https://github.com/C2SP/C2SP/blob/signed-note/v1.0.0/signed-note.md#signature-types
 */
function isKeyOf({ logId, proof }: LogEntry, { rawSpki, kind }: VerificationKey): boolean {
  if (sha256(rawSpki).equals(logId)) return true;
  if (kind !== 'Ed25519' || proof === undefined) return false;
  const { origin } = readCheckpoint(proof.checkpoint);
  const name = Buffer.from(`${origin}\n`);
  return sha256(name, Uint8Array.of(ED25519_NOTE), rawSpki.subarray(-ED25519_BYTES)).equals(logId);
}

/**
 * Verifies the signed entry timestamp, which is for these four members as canonical JSON.
 * https://github.com/sigstore/rekor/blob/v1.4.0/openapi.yaml
 */
function verifyPromise(entry: LogEntry, promise: Uint8Array, key: VerificationKey): void {
  const { body, integratedTime, logId, logIndex } = entry;
  const members = [
    `"body":"${Buffer.from(body).toString('base64')}"`,
    `"integratedTime":${integratedTime}`,
    `"logID":"${Buffer.from(logId).toString('hex')}"`,
    `"logIndex":${logIndex}`,
  ];
  if (key.verifies(Buffer.from(`{${members.join()}}`), promise)) return;
  refuse(`has a promise that is not by the log ${key.name}`);
}

function verifyInclusion(body: Uint8Array, proof: InclusionProof, key: VerificationKey): void {
  const { rootHash, treeSize } = proof;
  const checkpoint = readCheckpoint(proof.checkpoint);
  if (!checkpoint.signatures.some((signature) => key.verifies(checkpoint.note, signature))) {
    refuse(`has a checkpoint that is not by the log ${key.name}`);
  }
  if (checkpoint.treeSize !== treeSize || !checkpoint.rootHash.equals(rootHash))
    refuse('has the checkpoint of another tree');
  if (!computeRoot(body, proof).equals(rootHash)) refuse('is not in the tree of its checkpoint');
}

/** https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2 */
function computeRoot(body: Uint8Array, { logIndex, treeSize, hashes }: InclusionProof): Buffer {
  if (logIndex >= treeSize) refuse('has an index beyond its tree');
  let index = logIndex;
  let last = treeSize - 1n;
  let root = sha256(Uint8Array.of(0), body);
  for (const hash of hashes) {
    if (last === 0n) return refuse('has a proof with too many hashes');
    const isRight = (index & 1n) === 1n;
    if (isRight || index === last) {
      root = sha256(Uint8Array.of(1), hash, root);
      while ((index & 1n) === 0n && index !== 0n) {
        index >>= 1n;
        last >>= 1n;
      }
    } else {
      root = sha256(Uint8Array.of(1), root, hash);
    }
    index >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? root : refuse('has a proof with too few hashes');
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
