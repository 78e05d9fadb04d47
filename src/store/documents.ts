import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../oci/index.ts';
import { statePath } from './layout.ts';
import { listRecords, readRecord, readUnlessDamaged, removeRecord, writeRecord } from './record-file.ts';

export type DocumentShelf = 'manifests' | 'configs';

export function putDocument(stateDir: string, shelf: DocumentShelf, digest: Digest, bytes: Uint8Array): void {
  writeRecord(statePath.document(stateDir, shelf, digest), bytes);
}

/** Hashed again on every read; what does not match its name, or is no file, is removed and counts as absent. */
export function getDocument(stateDir: string, shelf: DocumentShelf, digest: Digest): Uint8Array | undefined {
  const path = statePath.document(stateDir, shelf, digest);
  const bytes = readUnlessDamaged(() => readRecord(path));
  if (bytes !== undefined && isDocument(bytes, digest)) return bytes;
  removeRecord(path);
  return undefined;
}

function isDocument(bytes: Uint8Array, digest: Digest): boolean {
  return createHash(digestAlgorithm(digest)).update(bytes).digest('hex') === digestHex(digest);
}

/** One of the documents in the store, by its shelf and name. */
export interface DocumentPlace {
  readonly shelf: DocumentShelf;
  readonly digest: Digest;
}

export function listDocuments(stateDir: string): DocumentPlace[] {
  const shelves = ['manifests', 'configs'] as const;
  const algorithms = ['sha256', 'sha512'] as const;
  return shelves.flatMap((shelf) =>
    algorithms.flatMap((algorithm) =>
      listRecords(statePath.shelf(stateDir, shelf, algorithm))
        .map((hex) => `${algorithm}:${hex}`)
        .filter(isDigest)
        .map((digest) => ({ shelf, digest })),
    ),
  );
}

export function removeDocument(stateDir: string, { shelf, digest }: DocumentPlace): void {
  removeRecord(statePath.document(stateDir, shelf, digest));
}
