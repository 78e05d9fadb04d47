import { createHash } from 'node:crypto';
import type { VerificationKey } from '../certificates/index.ts';
import { isSame, refuseSignature } from '../signed-content/index.ts';
import { type Checkpoint, type CheckpointSignature, readCheckpoint } from './read-checkpoint.ts';
import type { InclusionProof, LogEntry } from './read-log-entry.ts';
import type { TrustedLog } from './trust-types.ts';

/** Entries of Rekor's second version have this version of their kind. */
const SECOND_VERSION = '0.0.2';
const ED25519_NOTE = 0x01;
const ED25519_BYTES = 32;
const HINT_BYTES = 4;

/**
 * True if an entry names this log. The ID of a log is the hash of its key. Logs of Rekor's second version with an Ed25519
 * key hash the name of the log as well, which a key alone does not say, so it is taken from the checkpoint.
 * https://github.com/C2SP/C2SP/blob/signed-note/v1.0.0/signed-note.md#signature-types
 */
export function isEntryOf({ logId, proof }: LogEntry, { key, logIds, address }: TrustedLog): boolean {
  if (logIds.some((id) => isSame(id, logId))) return true;
  if (key.kind !== 'Ed25519' || address !== undefined || proof === undefined) return false;
  return noteId(key, readCheckpoint(proof.checkpoint).origin).equals(logId);
}

/** The ID of an Ed25519 key under a name. */
function noteId({ rawSpki }: VerificationKey, name: string): Buffer {
  return sha256(Buffer.from(`${name}\n`), Uint8Array.of(ED25519_NOTE), rawSpki.subarray(-ED25519_BYTES));
}

/**
 * Verifies that the log has this entry, by its promise, its inclusion proof, or both; what is there has to hold. Entries
 * of Rekor's second version need a proof. Throws `SIGNATURE_REFUSED`.
 */
export function verifyLogEntry(entry: LogEntry, log: TrustedLog): void {
  const { promise, proof, kindVersion } = entry;
  if (promise === undefined && proof === undefined) refuse('has neither a promise nor a proof of the log');
  const isSecond = kindVersion?.version === SECOND_VERSION;
  if (isSecond && promise !== undefined) refuse('has a promise, which Rekor makes in its first version only');
  if (promise !== undefined) verifyPromise(entry, promise, log.key);
  if (proof !== undefined) verifyInclusion(entry.body, proof, { log, isSecond });
}

function refuse(what: string): never {
  return refuseSignature('log', `its log entry ${what}`);
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

interface LogOfEntry {
  readonly log: TrustedLog;
  readonly isSecond: boolean;
}

function verifyInclusion(body: Uint8Array, proof: InclusionProof, { log, isSecond }: LogOfEntry): void {
  const { rootHash, treeSize } = proof;
  const checkpoint = readCheckpoint(proof.checkpoint);
  const named = checkpoint.signatures.filter((signature) => isOfLog(signature, checkpoint, { log, isSecond }));
  if (!named.slice(0, MAX_OWN_SIGNATURES).some(({ value }) => log.key.verifies(checkpoint.note, value))) {
    refuse(`has a checkpoint that is not by the log ${log.key.name}`);
  }
  if (checkpoint.treeSize !== treeSize || !checkpoint.rootHash.equals(rootHash)) {
    refuse('has the checkpoint of another tree');
  }
  if (!computeRoot(body, proof).equals(rootHash)) refuse('is not in the tree of its checkpoint');
}

/** A checkpoint has room for a hundred lines in the name of the log, and each costs a verification. */
const MAX_OWN_SIGNATURES = 8;

/**
 * True for a signature that is said to be by the log; others may be by witnesses. The key is named by four bytes, and in
 * Rekor's second version by the address of the log as well, so that no other log with the same key can vouch for it.
 */
function isOfLog({ name, hint }: CheckpointSignature, { origin }: Checkpoint, { log, isSecond }: LogOfEntry): boolean {
  const { key, checkpointKeyId, address, logIds } = log;
  const named = key.kind === 'Ed25519' ? [noteId(key, name)] : [];
  const hints = checkpointKeyId === undefined ? [sha256(key.rawSpki), ...named, ...logIds] : [checkpointKeyId];
  if (!hints.some((id) => isSame(id.subarray(0, HINT_BYTES), hint))) return false;
  return !isSecond || (origin === name && isNameOf(name, address));
}

/**
 * True if a log at this address has this name: the address itself, or what is behind its scheme, or its host. Rekor's own
 * verifiers take the host.
 * https://github.com/C2SP/C2SP/blob/tlog-checkpoint/v1.0.0/tlog-checkpoint.md#note-text
 */
function isNameOf(name: string, address: string | undefined): boolean {
  if (address === undefined || name === address) return true;
  const [, authority = '', path = ''] = /^[a-z]+:\/\/([^/?#]+)([^?#]*)$/.exec(address) ?? [];
  const host = authority.replace(/:[0-9]+$/, '');
  return name !== '' && [host, authority, `${authority}${path.replace(/\/$/, '')}`].includes(name);
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
