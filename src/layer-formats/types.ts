import type { PlanBudget } from '../limits/index.ts';

/** `<format>-v<writer version>-<diffid|chain>-<hex>[-<domain>]` */
export type LayerKey = string & { readonly __brand: 'LayerKey' };

export type LayerFormatName = 'directory' | 'erofs';

/** Facts about a layer's image file that are kept in guest memory, where the disk cannot change them. */
export interface LayerImage {
  /** Length of the file, the hash tree included. */
  readonly bytes: number;
  /** Absent when the file has no hash tree. */
  readonly verity?: HashTree;
}

/** A dm-verity tree behind an image. Every read of the image is verified against its root. */
export interface HashTree {
  /** 64 hex digits. */
  readonly rootHash: string;
  /** Offset in the file at which the image ends and the tree begins. */
  readonly hashOffset: number;
}

/** The layers below a chained layer, whose names are looked at while it is written. */
export interface LowerLayers {
  /** Topmost first. */
  readonly directories: readonly string[];
  readonly steps: PlanBudget;
}

/** What a worker writes for a layer that is stored by itself. */
export type StoredTarget =
  /** A new directory in overlay form; `lowers` is set for a chained layer. */
  | { readonly kind: 'overlay'; readonly directory: string; readonly lowers: LowerLayers | undefined }
  /** A new EROFS image; `lowers` as above. */
  | {
      readonly kind: 'image';
      readonly path: string;
      readonly lowers: LowerLayers | undefined;
      /** True when a hash tree is written behind the image. */
      readonly verity: boolean;
    };

export interface TargetOptions {
  /** Set for a chained layer. */
  readonly lowers: LowerLayers | undefined;
  /** True when a hash tree is wanted; formats that cannot have one ignore it. */
  readonly verity: boolean;
}

/** A published layer as mounts need it: its path in a backing, and the part of its record that describes the file. */
export interface PublishedLayer {
  readonly path: string;
  readonly record: { readonly key: LayerKey; readonly image?: LayerImage };
}

/** An image to mount before the layer's tree can be read. */
export interface LayerImageRequest {
  readonly key: LayerKey;
  /** Absolute path of the image file. */
  readonly image: string;
  /** Length of the file system; what follows in the file, such as a hash tree, is not shown. Undefined: the whole file. */
  readonly imageBytes: number | undefined;
  /** Every read is verified against this tree; undefined: the file is read as it is. */
  readonly tree: HashTree | undefined;
}

/** Everything that depends on how a layer is stored: a new format is one of these, and the writer of its target. */
export interface LayerFormatDefinition {
  /** The first part of every key. */
  readonly name: LayerFormatName;
  /** Changes whenever the writer makes another tree, or other image bytes, of the same archive. */
  readonly writerVersion: number;
  /** The type of the file that a published layer is. */
  readonly fileType: 'directory' | 'file';
  /** The ending that a published layer's file name has behind its key. */
  readonly fileSuffix: string;
  /** The file in the staging directory that becomes the layer; undefined when the directory itself does. */
  readonly stagedName: string | undefined;
  /** What the kernel must be able to mount, with the name of its probe; undefined when any kernel will do. */
  readonly kernelNeed: { readonly probe: 'erofs'; readonly what: string } | undefined;
  /** True when a hash tree can protect the layer from changes on the disk. */
  readonly canHaveTree: boolean;
  /** Returns what a worker writes into a staging directory. */
  target(staging: string, options: TargetOptions): StoredTarget;
  /** Returns the image to mount, or undefined when the layer's tree can be read at its path. */
  mount(layer: PublishedLayer): LayerImageRequest | undefined;
}
