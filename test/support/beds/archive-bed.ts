import { readdirSync, readSync } from 'node:fs';
import {
  ARCHIVE_OPERATIONS,
  type ArchiveOperations,
  type FileOffer,
  type OpenArchive,
  openArchive,
} from '../../../src/archive/index.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import { parseFileReference } from '../../../src/oci/index.ts';
import { runInline } from '../stores/run-inline.ts';

/** Does in this thread what a worker would do. */
export const inlineArchiveRunner = runInline<ArchiveOperations>(ARCHIVE_OPERATIONS);

/** Opens what a reference names, has `work` done with it and closes it. */
export async function withArchive<Result>(
  reference: string,
  options: { readonly scratchDir: string; readonly limits?: Partial<Limits> },
  work: (archive: OpenArchive) => Promise<Result>,
): Promise<Result> {
  const { scratchDir, limits = {} } = options;
  const archive = await openArchive(parseFileReference(reference), {
    runOperation: inlineArchiveRunner,
    scratchDir,
    limits: { ...DEFAULT_LIMITS, ...limits },
  });
  try {
    return await work(archive);
  } finally {
    await archive.close();
  }
}

/** The bytes that an offer leads to. */
export function readOffer({ file: { fd, offset, length } }: FileOffer): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
}

export function countDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
