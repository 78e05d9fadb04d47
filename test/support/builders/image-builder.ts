import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib';
import { RegistryPusher } from '../registries/registry-pusher.ts';

/** `-parts`: several gzip members, or several zstd frames with skippable frames before, between and after. */
export type LayerCompression = 'none' | 'gzip' | 'gzip-parts' | 'zstd' | 'zstd-parts';
export type ImageFormat = 'oci' | 'docker';

/** A layer blob as a file. */
export interface BuiltLayer {
  readonly path: string;
  readonly compression: LayerCompression;
  readonly digest: string;
  readonly size: number;
  readonly diffId: string;
  readonly tarSize: number;
}

export interface ImageOptions {
  readonly format: ImageFormat;
  readonly layers: readonly BuiltLayer[];
  /** Puts the image behind an index or manifest list that has another platform too. */
  readonly index?: boolean;
  /** The `config` member of the image config. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Replaces the diffIDs of `layers`. */
  readonly diffIds?: readonly string[];
  readonly architecture?: string;
}

export interface BuiltDocument {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly mediaType: string;
}

export interface BuiltImage {
  /** The document that a tag points to: the index if there is one. */
  readonly top: BuiltDocument;
  readonly manifest: BuiltDocument;
  readonly index: BuiltDocument | undefined;
  readonly config: BuiltDocument;
  readonly layers: readonly BuiltLayer[];
}

const PART_BYTES = 1 << 20;
/** https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2 — seven bytes that a decoder has to pass over. */
const SKIPPABLE_FRAME = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);

const TYPES = {
  oci: {
    index: 'application/vnd.oci.image.index.v1+json',
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar',
    join: '+',
  },
  docker: {
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar',
    join: '.',
  },
} as const;

let layerCount = 0;

/** Compresses a tar into a file in `folder`, never holding all of it. */
export async function buildLayer(
  tar: Iterable<Uint8Array> | AsyncIterable<Uint8Array> | Uint8Array,
  compression: LayerCompression,
  folder: string,
): Promise<BuiltLayer> {
  layerCount += 1;
  const path = join(folder, `layer-${process.pid}-${layerCount}.${compression}`);
  const diffId = createHash('sha256');
  let tarSize = 0;
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of tar instanceof Uint8Array ? [tar] : tar) {
      diffId.update(chunk);
      tarSize += chunk.length;
      yield chunk;
    }
  }
  const source = Readable.from(hashed(), { objectMode: false, highWaterMark: 1 << 20 });
  if (compression === 'gzip') await pipeline(source, createGzip({ level: 3 }), createWriteStream(path));
  else if (compression === 'zstd') await pipeline(source, createZstdCompress(), createWriteStream(path));
  else if (compression === 'none') await pipeline(source, createWriteStream(path));
  else await pipeline(source, inParts(compression), createWriteStream(path));
  return {
    path,
    compression,
    digest: await hashFile(path),
    size: statSync(path).size,
    diffId: `sha256:${diffId.digest('hex')}`,
    tarSize,
  };
}

function inParts(compression: 'gzip-parts' | 'zstd-parts') {
  const compress = compression === 'gzip-parts' ? gzipSync : zstdCompressSync;
  const between = compression === 'zstd-parts' ? SKIPPABLE_FRAME : Buffer.alloc(0);
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    yield between;
    let pending: Buffer[] = [];
    let pendingBytes = 0;
    for await (const chunk of source) {
      pending.push(chunk);
      pendingBytes += chunk.length;
      if (pendingBytes < PART_BYTES) continue;
      yield Buffer.concat([compress(Buffer.concat(pending)), between]);
      [pending, pendingBytes] = [[], 0];
    }
    yield Buffer.concat([compress(Buffer.concat(pending)), between]);
  };
}

/** Makes config, manifest and, if wanted, index around built layers. */
export function buildImage(options: ImageOptions): BuiltImage {
  const types = TYPES[options.format];
  const architecture = options.architecture ?? hostArchitecture();
  const config = toDocument(types.config, {
    architecture,
    os: 'linux',
    config: options.config ?? {},
    rootfs: { type: 'layers', diff_ids: options.diffIds ?? options.layers.map(({ diffId }) => diffId) },
  });
  const manifest = toDocument(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe(config),
    layers: options.layers.map((layer) => ({
      mediaType: layerType(options.format, layer.compression),
      digest: layer.digest,
      size: layer.size,
    })),
  });
  const index = options.index
    ? toDocument(types.index, {
        schemaVersion: 2,
        mediaType: types.index,
        manifests: [{ ...describe(manifest), platform: { architecture, os: 'linux' } }],
      })
    : undefined;
  return { top: index ?? manifest, manifest, index, config, layers: options.layers };
}

/** Pushes all of an image under `tag`; blobs that the registry has are not sent again. */
export async function pushImage(
  registryUrl: string,
  repository: string,
  tag: string,
  image: BuiltImage,
): Promise<void> {
  return pushImageBy(new RegistryPusher(registryUrl, repository), tag, image);
}

export async function pushImageBy(pusher: RegistryPusher, tag: string, image: BuiltImage): Promise<void> {
  for (const { path, digest, size } of image.layers) {
    await pusher.pushBlob(digest, size, () => createReadStream(path, { highWaterMark: 1 << 20 }));
  }
  await pusher.pushBlob(image.config.digest, image.config.bytes.length, () => Readable.from([image.config.bytes]));
  if (image.index !== undefined) await pusher.pushManifest(image.manifest.digest, image.manifest);
  await pusher.pushManifest(tag, image.top);
}

export function toDocument(mediaType: string, content: unknown): BuiltDocument {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { bytes, mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

export function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** The bytes of a layer blob, for tests that alter them. */
export function readBlob(layer: BuiltLayer): Buffer {
  return readFileSync(layer.path);
}

function describe({ mediaType, digest, bytes }: BuiltDocument): object {
  return { mediaType, digest, size: bytes.length };
}

/** Docker defines no media type for a plain or zstd layer; these are the ones that tools write. */
function layerType(format: ImageFormat, compression: LayerCompression): string {
  const { layer, join: joint } = TYPES[format];
  const suffix = compression.replace('-parts', '');
  return suffix === 'none' ? layer : `${layer}${joint}${suffix}`;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}
