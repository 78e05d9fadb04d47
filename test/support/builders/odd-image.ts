import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { PLATFORM, type PullBed, type ServedDocument } from '../beds/pull-bed.ts';
import { type TarMember, tar } from './tar-builder.ts';

export const OCI = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

export const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar',
} as const;

/** A layer as its manifest describes it, whatever its bytes are. */
export interface OddLayer {
  readonly mediaType: string;
  readonly blob: Buffer;
  readonly diffId: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly urls?: readonly string[];
  /** The registry does not have it. */
  readonly isMissing?: boolean;
}

export interface OddImage {
  readonly layers: readonly OddLayer[];
  /** Overrides members of an ordinary config; `undefined` removes one. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Bytes to serve instead of a config. */
  readonly rawConfig?: Buffer;
  readonly configType?: string;
  /** Overrides members of an ordinary manifest. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly manifestType?: string;
}

export interface ServedOddImage extends ServedDocument {
  readonly image: OddImage;
  readonly bytes: Buffer;
}

type Compression = 'none' | 'gzip' | 'zstd';

/** Makes a layer in the usual form, with the given changes. */
export function oddLayer(
  content: readonly TarMember[] | Buffer,
  change: Partial<OddLayer> & { readonly compression?: Compression } = {},
): OddLayer {
  const { compression = 'gzip', ...rest } = change;
  const archive = Buffer.isBuffer(content) ? content : tar(content);
  const blob = compress(archive, compression);
  const suffix = compression === 'none' ? '' : `+${compression}`;
  return { mediaType: `${OCI.layer}${suffix}`, blob, diffId: digestOf(archive), ...rest };
}

export function serveOddImage(bed: PullBed, image: OddImage, tag?: string): ServedOddImage {
  const { layers, rawConfig, configType = OCI.config, manifestType = OCI.manifest } = image;
  const diffIds = layers.map(({ diffId }) => diffId);
  const config = rawConfig ?? json({ ...PLATFORM, rootfs: { type: 'layers', diff_ids: diffIds }, ...image.config });
  const manifest = json({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: configType, digest: bed.registry.addBlob(config), size: config.length },
    layers: layers.map(({ mediaType, blob, annotations, urls, isMissing = false }) => {
      const digest = isMissing ? digestOf(blob) : bed.registry.addBlob(blob);
      return { mediaType, digest, size: blob.length, annotations, urls };
    }),
    ...image.manifest,
  });
  return { ...serveDocument(bed, manifestType, manifest, tag), image, bytes: manifest };
}

/** Serves any document as a manifest. */
export function serveDocument(bed: PullBed, mediaType: string, content: Buffer | object, tag?: string): ServedDocument {
  const bytes = Buffer.isBuffer(content) ? content : json(content);
  return { mediaType, digest: bed.registry.addManifest('app', bytes, mediaType, tag), size: bytes.length };
}

/** Returns the entry of an index for a document. */
export function entryOf({ mediaType, digest, size }: ServedDocument, more: object = {}): object {
  return { mediaType, digest, size, ...more };
}

export function compress(archive: Buffer, compression: Compression): Buffer {
  if (compression === 'none') return archive;
  return compression === 'gzip' ? gzipSync(archive) : zstdCompressSync(archive);
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Formats JSON without the members that are undefined. */
export function json(document: object): Buffer {
  return Buffer.from(JSON.stringify(document));
}
