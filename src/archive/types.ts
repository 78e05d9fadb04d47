import type { FileRange } from '../layer/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Descriptor, Digest, FileReference, LayerCompression } from '../oci/index.ts';
import type { FetchedDocument } from '../registry/index.ts';

/** What a worker needs to read a layer's blob. */
export interface FileOffer {
  readonly file: FileRange;
  /** What the blob's first bytes say, where the media type says nothing. */
  readonly compression: LayerCompression | undefined;
}

/** An image's bytes out of files, as those of a registry: nothing that is asked for by digest comes with another. */
export interface FileSupply {
  /** By digest, or the image that the reference names, whatever else is given. */
  fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedDocument>;
  fetchSmallBlob(descriptor: Descriptor, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
  offerBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<FileOffer>;
  /** Nothing is ever passed over. */
  remarks(): readonly string[];
}

/** A directory or file that is open. */
export interface OpenArchive {
  /** With the path of what was opened, all links resolved. */
  readonly reference: FileReference;
  readonly supply: FileSupply;
  /** Closes all that was opened, and with it the temporary file of a compressed archive. */
  close(): Promise<void>;
}

export interface ArchivePorts {
  readonly runOperation: RunArchiveOperation;
  /** Where a compressed archive is unpacked to. */
  readonly scratchDir: string;
  readonly limits: Limits;
}

/** Files below one root, whatever holds them. Paths are relative, clean, and separated by slashes. */
export interface FileShelf {
  /** Undefined where there is none. Throws `ARCHIVE_INVALID` for what is no regular file inside the root. */
  find(path: string): Promise<FileRange | undefined>;
}

export type WrapperCompression = LayerCompression | 'bzip2' | 'xz';

/** A member of a tar that has a name, as it stands there. */
export interface TarMember {
  readonly name: string;
  readonly kind: 'file' | 'symlink' | 'hardlink' | 'other';
  /** Of a link. */
  readonly target: string;
  /** Of the content. */
  readonly offset: number;
  readonly size: number;
}

export type ArchiveLimits = Pick<
  Limits,
  'maxArchiveBytes' | 'maxArchiveMembers' | 'maxExpansionRatio' | 'maxZstdWindowLog'
>;

/** What is done in a worker, since a path may lie on a disk that does not answer. Descriptors are the process's. */
export interface ArchiveOperations {
  /** Throws `ARCHIVE_NOT_FOUND` when the path leads to nothing of that kind. */
  openPlace(request: { readonly path: string; readonly kind: 'directory' | 'file' }): {
    readonly fd: number;
    /** Of what was opened, all links resolved. */
    readonly path: string;
  };
  /** A regular file below an open directory; undefined where there is none. Throws `ARCHIVE_INVALID`. */
  openInside(request: { readonly fd: number; readonly path: string }): FileRange | undefined;
  /** The tar in an open file: the file itself, or an unnamed one in `directory` with what it holds compressed. */
  openTar(request: {
    readonly fd: number;
    readonly directory: string;
    readonly limits: ArchiveLimits;
  }): Promise<FileRange>;
  /** All members that have a name. Throws `ARCHIVE_INVALID`, `ARCHIVE_LIMIT_EXCEEDED`. */
  listMembers(request: { readonly file: FileRange; readonly limits: ArchiveLimits }): Promise<readonly TarMember[]>;
  /** Less than the range where the file ends earlier. */
  readWhole(request: { readonly file: FileRange }): Uint8Array;
  /** How a layer lies there; of a compressed one also its digest, which nothing else tells. */
  examineLayer(request: { readonly file: FileRange }): ExaminedLayer;
  closeAll(request: { readonly fds: readonly number[] }): void;
}

export type ExaminedLayer =
  | { readonly compression: 'none' }
  | { readonly compression: Exclude<LayerCompression, 'none'>; readonly digest: Digest };

export type ArchiveOperation = {
  [Kind in keyof ArchiveOperations]: { readonly kind: Kind; readonly request: Parameters<ArchiveOperations[Kind]>[0] };
}[keyof ArchiveOperations];

/** Has an operation done in a worker; rejects with the `SealiftError` that it threw there. */
export type RunArchiveOperation = <Kind extends keyof ArchiveOperations>(
  kind: Kind,
  request: Parameters<ArchiveOperations[Kind]>[0],
) => Promise<Awaited<ReturnType<ArchiveOperations[Kind]>>>;
