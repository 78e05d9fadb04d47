import { lstatSync } from 'node:fs';
import type { z } from 'zod';
import { type Digest, isDigest } from '../oci/index.ts';
import { CHECK_BYTES, readCheckedRecord, writeCheckedRecord } from './checked-record.ts';
import { listImageRecords } from './image-record.ts';
import { statePath } from './layout.ts';
import { listRecords, readUnlessDamaged, removeRecord } from './record-file.ts';
import { signatureRecordSchema } from './schema.ts';
import type { StoredSignature, StoreLimits } from './types.ts';

// docs/adr/0028-kept-signatures.md

type SignatureRecord = z.output<typeof signatureRecordSchema>;

const SUFFIX = '.json';

interface SignatureHome {
  readonly stateDir: string;
  readonly limits: StoreLimits;
}

/** Returns the signatures of an image. A damaged record, and one that is larger than any of ours, counts as absent. */
export function readSignatures({ stateDir, limits }: SignatureHome, image: Digest): readonly StoredSignature[] {
  if (sizeOf(stateDir, image) > limits.maxKeptSignatureBytes) return [];
  const path = statePath.signatures(stateDir, image);
  const record = readUnlessDamaged(() => readCheckedRecord(path, signatureRecordSchema));
  if (record?.image !== image) return [];
  return record.signatures
    .slice(0, limits.maxKeptSignatures)
    .map(({ content, ...signature }) => ({ ...signature, rawBytes: Buffer.from(content, 'base64') }));
}

/**
 * Replaces the signatures of an image by as many of these, from the front on, as the limits allow. One that is too large
 * is left out. Makes room by removing the signatures of images whose last pull is longest ago.
 */
export function writeSignatures(home: SignatureHome, image: Digest, signatures: readonly StoredSignature[]): void {
  const { stateDir, limits } = home;
  const record = selectFitting(image, signatures, limits);
  if (record.signatures.length === 0 || !makeRoom(home, image, recordBytes(record))) {
    removeSignatures(stateDir, image);
    return;
  }
  writeCheckedRecord(statePath.signatures(stateDir, image), record);
}

export function removeSignatures(stateDir: string, image: Digest): void {
  removeRecord(statePath.signatures(stateDir, image));
}

/** Returns the images that have a record, damaged ones included. */
export function listSigned(stateDir: string): Digest[] {
  return listRecords(statePath.allSignatures(stateDir))
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .filter(isDigest);
}

function selectFitting(
  image: Digest,
  signatures: readonly StoredSignature[],
  { maxKeptSignatures, maxKeptSignatureBytes }: StoreLimits,
): SignatureRecord {
  const selected: SignatureRecord = { image, signatures: [] };
  for (const { rawBytes, mediaType, annotations, origin } of signatures) {
    const content = Buffer.from(rawBytes).toString('base64');
    const longer = [...selected.signatures, { origin, mediaType, annotations: { ...annotations }, content }];
    if (longer.length > maxKeptSignatures) break;
    if (recordBytes({ image, signatures: longer }) <= maxKeptSignatureBytes) selected.signatures = longer;
  }
  return selected;
}

/** Returns the length of the record's file. */
function recordBytes(record: SignatureRecord): number {
  return Buffer.byteLength(JSON.stringify(record)) + 1 + CHECK_BYTES;
}

/**
 * Removes records of other images until one of `bytes` bytes fits beside the rest; false if it never does. Other processes
 * may write at the same time, so the bounds can be exceeded by their records, until the next one is written.
 */
function makeRoom({ stateDir, limits }: SignatureHome, image: Digest, bytes: number): boolean {
  const { maxSignedImages, maxStoreSignatureBytes } = limits;
  const others = listSigned(stateDir).filter((each) => each !== image);
  const sizes = new Map(others.map((each) => [each, sizeOf(stateDir, each)]));
  const fits = () => {
    const total = [...sizes.values()].reduce((sum, size) => sum + size, bytes);
    return sizes.size < maxSignedImages && total <= maxStoreSignatureBytes;
  };
  if (bytes > maxStoreSignatureBytes) return false;
  if (fits()) return true;
  for (const each of oldestFirst(stateDir, others)) {
    removeSignatures(stateDir, each);
    sizes.delete(each);
    if (fits()) break;
  }
  return true;
}

/** Images that are not recorded come first: their pull has failed, or has not ended. */
function oldestFirst(stateDir: string, images: readonly Digest[]): readonly Digest[] {
  const pulledAt = new Map(listImageRecords(stateDir).map((each) => [each.manifestDigest, Date.parse(each.pulledAt)]));
  return images.toSorted((left, right) => (pulledAt.get(left) ?? 0) - (pulledAt.get(right) ?? 0));
}

function sizeOf(stateDir: string, image: Digest): number {
  return lstatSync(statePath.signatures(stateDir, image), { throwIfNoEntry: false })?.size ?? 0;
}
