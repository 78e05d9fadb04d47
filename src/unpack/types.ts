import type { ByteString } from '../bytes/index.ts';

export type EntryType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** Seconds since the epoch (may be negative; −2⁶³ is the only value beyond 2⁵³) and nanoseconds 0–999 999 999 on top. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A run of bytes of a sparse file, at least one. */
export interface DataRun {
  readonly offset: number;
  readonly length: number;
}

/** A file with holes, which read as zeros. */
export interface SparseFile {
  /** The size with the holes. */
  readonly size: number;
  /** In order, without overlap, within the size. */
  readonly runs: readonly DataRun[];
}

/** One member of an archive, checked by the strict reader: well-formed and bounded, but its path is not yet judged. */
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
  /** Set for a sparse file: where the bytes that follow belong. */
  readonly sparse?: SparseFile;
  readonly mtime: Timestamp;
  readonly devmajor: number;
  readonly devminor: number;
  /** SCHILY.xattr.* records by attribute name, values as raw bytes. */
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

/**
 * The tar reader calls `entry`, then `data` with that entry's bytes in order, then `entry` for the next one, and `end`
 * after the end marker.
 */
export interface EntrySink {
  entry(entry: TarEntry): void;
  /** A part of the current file's content; the chunk is reused after the call. */
  data(chunk: Uint8Array): void;
  end(): void;
}

/**
 * A directory that the layer needs and has no entry for; the root has the empty path. When the layers are mounted, it
 * takes owner, mode, times and xattrs from the topmost lower layer that names it.
 */
export interface ImpliedDirectory {
  readonly path: ByteString;
  /** True when this layer hides what lower layers have at the path, so nothing is taken from them. */
  readonly cut: boolean;
}

/**
 * A hard link whose target this layer does not contain, or the entry at which the layer, applied by itself, could not go
 * on: it contradicts the entries before it, which may belong elsewhere once the layers below are known.
 */
export interface UnresolvedLink {
  readonly path: ByteString;
  readonly target: ByteString;
}

/** Facts about a layer that was applied: plain data, kept in the layer's record. */
export interface LayerFacts {
  readonly entries: number;
  /** Bytes of file content written. */
  readonly contentBytes: number;
  readonly implied: readonly ImpliedDirectory[];
  /**
   * Further paths where the layer, applied by itself, was written as if the layers below had a directory or nothing there:
   * directories that it implied and later replaced, named or hid, and those that a link led through and left again. Where
   * they have something else, the layer's entries belong elsewhere.
   */
  readonly traversed: readonly ByteString[];
  readonly unresolvedLinks: readonly UnresolvedLink[];
  /**
   * Directories that contain marks and merge with the layers below. Where the layers below have nothing, overlayfs would
   * list the whiteouts, or show a directory that exists only because of an opaque mark.
   */
  readonly marked: readonly ByteString[];
  /** How often something was left out on purpose, by reason, e.g. `overlay-xattr`, `device-without-root`. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** A node of the merged tree below the layer being applied; the final component is not followed. */
export interface LowerNode {
  readonly type: 'directory' | 'symlink' | 'other';
  /** The node's path in the file system, as bytes; every component above it is a real directory of one layer. */
  readonly realPath: ByteString;
  /** The text of a symlink; absent for other nodes. */
  readonly target?: ByteString;
}

/** Read-only view of the layers below that applies whiteouts and opaque marks. */
export interface LowerView {
  /** `path` is relative, without dots, and its parents are not symlinks in the view. */
  lookup(path: ByteString): LowerNode | undefined;
  /** Returns every path in the view that names the same file as `path`, `path` included. Slow: reads a whole layer. */
  linksOf(path: ByteString): readonly ByteString[];
}
