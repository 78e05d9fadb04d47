import type { HttpRequest, TransportSettings } from '../http/index.ts';
import type { Digest, LayerCompression } from '../oci/index.ts';
import type { LayerFacts } from '../unpack/index.ts';

/** Where the entries of a layer go. */
export type LayerTarget =
  /** A new directory in overlay form; `lowers` are the layer directories below, topmost first, for a chained layer. */
  | { readonly kind: 'overlay'; readonly directory: string; readonly lowers: readonly string[] | undefined }
  /** A new EROFS image; lowers as above. */
  | {
      readonly kind: 'image';
      readonly path: string;
      readonly lowers: readonly string[] | undefined;
      readonly verity: boolean;
    }
  /** One directory that all layers of an image are applied to in order; the writer lives on between the jobs. */
  | { readonly kind: 'merged'; readonly directory: string; readonly privileged: boolean };

/** A part of a file that is open in this process. */
export interface FileRange {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}

/** Where the bytes of a blob come from: a server, or a file of this machine. */
export type BlobOrigin =
  | { readonly request: HttpRequest; readonly transport: TransportSettings }
  | { readonly file: FileRange };

/** All that a worker needs to turn one blob into one staged layer; plain data. */
export type LayerJob = LayerWork & BlobOrigin;

interface LayerWork {
  readonly blobDigest: Digest;
  readonly blobSize: number;
  readonly compression: LayerCompression;
  readonly diffId: Digest;
  readonly target: LayerTarget;
}

/** A worker line has accepted the whole: size, blob digest, diffID and end of archive all held. Nothing is published. */
export interface StagedLayer {
  readonly facts: LayerFacts;
  readonly layerBytes: number;
  /** Of an image only. */
  readonly image?: StagedImage;
}

/** The length of an image's file, its tree included, and what is to be known of that tree. */
export interface StagedImage {
  readonly bytes: number;
  readonly verity?: { readonly rootHash: string; readonly hashOffset: number };
}
