import type { ByteString } from '../bytes/index.ts';

export type EntryType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** Seconds since the epoch (may be negative) and nanoseconds 0–999 999 999 on top. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** One member of an archive as the strict reader vouches for it: well-formed and bounded, its path not yet judged. */
export interface TarEntry {
  readonly type: EntryType;
  /** As written in the archive, PAX and GNU overrides applied. Attacker-controlled. */
  readonly unsafeName: ByteString;
  /** Target of a symlink (kept as it is) or of a hard link (relative to the layer root); empty otherwise. */
  readonly unsafeLinkname: ByteString;
  /** Permission bits, 0–07777. */
  readonly mode: number;
  /** 0 – 2³²−2. */
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow through `data`; 0 for everything but files. */
  readonly size: number;
  readonly mtime: Timestamp;
  readonly devmajor: number;
  readonly devminor: number;
  /** SCHILY.xattr.* records by attribute name, values as raw bytes. */
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

/** What the tar reader feeds: `entry`, then that entry's bytes in order, then the next entry; `end` after the end marker. */
export interface EntrySink {
  entry(entry: TarEntry): void;
  /** A part of the current file's content; the chunk is reused after the call. */
  data(chunk: Uint8Array): void;
  end(): void;
}

/**
 * A directory that the layer needs and has no entry for; the root has the empty path. At snapshot time it takes owner,
 * mode, times and xattrs of the topmost lower layer that names it, unless `cut` says that this layer hides all below.
 */
export interface ImpliedDirectory {
  readonly path: ByteString;
  readonly cut: boolean;
}

/** A hard link whose target this layer does not contain. */
export interface UnresolvedLink {
  readonly path: ByteString;
  readonly target: ByteString;
}

/** What is known of a layer after it was applied; plain data, kept in the layer's record. */
export interface LayerFacts {
  readonly entries: number;
  /** Bytes of file content written. */
  readonly contentBytes: number;
  readonly implied: readonly ImpliedDirectory[];
  readonly unresolvedLinks: readonly UnresolvedLink[];
  /**
   * Directories in which marks stand for something below: where nothing is, overlayfs would list the whiteouts, or show
   * a directory that only an opaque mark brought about.
   */
  readonly marked: readonly ByteString[];
  /** The layer hides everything below: an opaque mark on the root, which overlayfs does not look at there. */
  readonly opaqueRoot: boolean;
  /** What was left out on purpose, by reason, e.g. `overlay-xattr`, `device-without-root`: how often. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** A node of the merged tree below the layer being applied; the final component is not followed. */
export interface LowerNode {
  readonly type: 'directory' | 'symlink' | 'other';
  /** Where the node lies in the file system, as bytes; every component up to it is a real directory of one layer. */
  readonly realPath: ByteString;
  /** Symlinks only. */
  readonly target?: ByteString;
}

/** Read-only view of the layers below, whiteouts and opaque marks honoured. */
export interface LowerView {
  /** `path` is relative, without dots, and its parents are not symlinks in the view. */
  lookup(path: ByteString): LowerNode | undefined;
  /** Every path in the view that is the same file as the one at `path`, itself included. Slow: reads a whole layer. */
  linksOf(path: ByteString): readonly ByteString[];
}
