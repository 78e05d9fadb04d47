import type { FileRange } from '../layer/index.ts';
import type { Limits, SizeBound } from '../limits/index.ts';
import type { Descriptor, Digest, FileReference, LayerCompression } from '../oci/index.ts';
import type { Run } from '../operations/index.ts';
import type { FetchedDocument, ReferrersPage } from '../registry/index.ts';

/** The part of a file from which a worker reads a layer's blob. */
export interface FileOffer {
  readonly file: FileRange;
  /** The compression that the blob's first bytes show, where the media type does not say it; else undefined. */
  readonly compression: LayerCompression | undefined;
}

/** Supplies an image from files, as a registry does. Bytes that are asked for by digest are verified against it. */
export interface FileSupply {
  /** Returns the manifest of this digest; anything but a digest means the image that the reference selects. */
  fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedDocument>;
  fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array>;
  offerBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<FileOffer>;
  /** Returns the document of another name beside the image. Throws `ARCHIVE_IMAGE_UNKNOWN` when there is none. */
  fetchNamed(name: string, signal?: AbortSignal): Promise<FetchedDocument>;
  /**
   * Returns one page of a list that has what refers to a manifest, and possibly more: the first one or the `next` of
   * another. Undefined when the format has nothing beside images.
   */
  fetchReferrers(digest: Digest, page: string | undefined, signal?: AbortSignal): Promise<ReferrersPage | undefined>;
  /** Always empty: unlike a registry with mirrors, files have nothing that is skipped. */
  remarks(): readonly string[];
}

/** A directory or archive that is open. */
export interface OpenArchive {
  /** The reference with the real path of what was opened: all links are resolved. */
  readonly reference: FileReference;
  readonly supply: FileSupply;
  /** Closes everything that was opened; this also removes the temporary file of a compressed archive. */
  close(): Promise<void>;
}

export interface ArchivePorts {
  readonly runOperation: Run<ArchiveOperations>;
  /** The directory into which a compressed archive is unpacked. */
  readonly scratchDir: string;
  readonly limits: Limits;
}

/** The files below the root of a directory or tar. Paths are relative, clean, and separated by slashes. */
export interface FileTree {
  /** Undefined when nothing has this path. Throws `ARCHIVE_INVALID` for anything but a regular file inside the root. */
  find(path: string): Promise<FileRange | undefined>;
}

export type WrapperCompression = LayerCompression | 'bzip2' | 'xz';

/** A named member of a tar, as its header says; nothing is checked yet. */
export interface TarMember {
  readonly name: string;
  readonly kind: 'file' | 'symlink' | 'hardlink' | 'other';
  /** The target of a link, else empty. */
  readonly target: string;
  /** The position of the content in the file. */
  readonly offset: number;
  /** The size of the content. */
  readonly size: number;
}

export type ArchiveLimits = Pick<
  Limits,
  'maxArchiveBytes' | 'maxArchiveMembers' | 'maxExpansionRatio' | 'maxZstdWindowLog'
>;

/**
 * What workers do, since a path may lie on a disk that does not answer. Descriptors belong to the process: they outlive
 * the worker, and the caller closes them with `closeAll`.
 */
export interface ArchiveOperations {
  /** Opens a path, following links. Throws `ARCHIVE_NOT_FOUND` when it leads to nothing of that kind. */
  openPath(request: { readonly path: string; readonly kind: 'directory' | 'file' }): {
    readonly fd: number;
    /** The real path of what was opened. */
    readonly path: string;
  };
  /** Opens a regular file below an open directory; undefined when nothing has this path. Throws `ARCHIVE_INVALID`. */
  openInside(request: { readonly fd: number; readonly path: string }): FileRange | undefined;
  /** Returns the tar in an open file: the file itself, or an unnamed file in `directory` with the decompressed tar. */
  openTar(request: {
    readonly fd: number;
    readonly directory: string;
    readonly limits: ArchiveLimits;
  }): Promise<FileRange>;
  /** Lists all members that have a name. Throws `ARCHIVE_INVALID`, `ARCHIVE_LIMIT_EXCEEDED`. */
  listMembers(request: { readonly file: FileRange; readonly limits: ArchiveLimits }): Promise<readonly TarMember[]>;
  /** Reads a range; the result is shorter where the file ends earlier. */
  readWhole(request: { readonly file: FileRange }): Uint8Array;
  /** Returns how a layer is compressed, and the digest of a compressed one, which nothing in the archive states. */
  examineLayer(request: { readonly file: FileRange }): ExaminedLayer;
  closeAll(request: { readonly fds: readonly number[] }): void;
}

export type ExaminedLayer =
  | { readonly compression: 'none' }
  | { readonly compression: Exclude<LayerCompression, 'none'>; readonly digest: Digest };
