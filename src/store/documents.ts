import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../oci/index.ts';
import { statePath } from './layout.ts';
import { listRecords, readRecord, readUnlessDamaged, removeRecord, writeRecord } from './record-file.ts';
import type { DocumentId } from './types.ts';

export function putDocument(stateDir: string, id: DocumentId, bytes: Uint8Array): void {
  writeRecord(statePath.document(stateDir, id), bytes);
}

/** Hashes the document again; one that does not match its name, or is not a file, is removed and counts as absent. */
export function getDocument(stateDir: string, id: DocumentId): Uint8Array | undefined {
  const path = statePath.document(stateDir, id);
  const bytes = readUnlessDamaged(() => readRecord(path));
  if (bytes !== undefined && isDocument(bytes, id.digest)) return bytes;
  removeRecord(path);
  return undefined;
}

function isDocument(bytes: Uint8Array, digest: Digest): boolean {
  return createHash(digestAlgorithm(digest)).update(bytes).digest('hex') === digestHex(digest);
}

export function listDocuments(stateDir: string): DocumentId[] {
  const kinds = ['manifests', 'configs'] as const;
  const algorithms = ['sha256', 'sha512'] as const;
  return kinds.flatMap((kind) =>
    algorithms.flatMap((algorithm) =>
      listRecords(statePath.documents(stateDir, kind, algorithm))
        .map((hex) => `${algorithm}:${hex}`)
        .filter(isDigest)
        .map((digest) => ({ kind, digest })),
    ),
  );
}

export function removeDocument(stateDir: string, id: DocumentId): void {
  removeRecord(statePath.document(stateDir, id));
}
