import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { PLATFORM } from '../beds/pull-bed.ts';
import { pseudoRandom } from '../builders/small-image.ts';
import { dir, file, tar } from '../builders/tar-builder.ts';
import type { FakeRegistry } from '../registries/fake-registry.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

export const REPOSITORY = 'app';
export const TAG = 'latest';

/** A document or blob of an image; its digest is that of its bytes. */
export interface ImagePart {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly digest: string;
  readonly size: number;
}

/** A tag leads to the index, that to the manifest, that to the config and one layer. */
export interface FaultImage {
  readonly index: ImagePart;
  readonly manifest: ImagePart;
  readonly config: ImagePart;
  readonly layer: ImagePart;
}

/** Faults of the image. A document that names a changed part names it by its true digest. */
export interface FaultImageOptions {
  readonly layer?: (blob: Buffer) => Buffer;
  readonly config?: (json: string) => string;
  readonly manifest?: (json: string) => string;
  readonly index?: (json: string) => string;
  readonly archive?: Buffer;
}

const RANDOM_BYTES = 200_000;

/** One file that does not compress, so that the blob is about as long. */
export const FAULT_ARCHIVE = tar([dir('./'), file('data', pseudoRandom(RANDOM_BYTES, 'fault'))]);

export function buildFaultImage(options: FaultImageOptions = {}): FaultImage {
  const same = (json: string): string => json;
  const archive = options.archive ?? FAULT_ARCHIVE;
  const blob = gzipSync(archive, { level: 1 });
  const layer = toPart(LAYER, options.layer?.(blob) ?? blob);
  const diffIds = [`sha256:${createHash('sha256').update(archive).digest('hex')}`];
  const config = jsonPart(
    CONFIG,
    { ...PLATFORM, rootfs: { type: 'layers', diff_ids: diffIds } },
    options.config ?? same,
  );
  const head = { schemaVersion: 2, mediaType: MANIFEST };
  const body = { config: describe(config), layers: [describe(layer)] };
  const manifest = jsonPart(MANIFEST, { ...head, ...body }, options.manifest ?? same);
  const entries = [{ ...describe(manifest), platform: PLATFORM }];
  const index = jsonPart(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: entries }, options.index ?? same);
  return { index, manifest, config, layer };
}

export function serveFaultImage(registry: FakeRegistry, { index, manifest, config, layer }: FaultImage): void {
  registry.addManifest(REPOSITORY, index.bytes, index.mediaType, TAG);
  registry.addManifest(REPOSITORY, manifest.bytes, manifest.mediaType);
  for (const { bytes } of [config, layer]) registry.addBlob(bytes);
}

function toPart(mediaType: string, bytes: Buffer): ImagePart {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { mediaType, bytes, digest, size: bytes.length };
}

function jsonPart(mediaType: string, document: object, change: (json: string) => string): ImagePart {
  return toPart(mediaType, Buffer.from(change(JSON.stringify(document))));
}

function describe({ mediaType, digest, size }: ImagePart): object {
  return { mediaType, digest, size };
}
