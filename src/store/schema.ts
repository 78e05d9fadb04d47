import * as z from 'zod';
import type { ByteString } from '../bytes/index.ts';
import type { LayerSummary } from '../layer-facts/index.ts';
import { isLayerKey, type LayerKey } from '../layer-formats/index.ts';
import { type Digest, isDigest } from '../oci/index.ts';
import type { ImageRecord, LayerRecord, MountRecord, NameRecord } from './types.ts';

const byteString = z.custom<ByteString>((value) => typeof value === 'string' && !/[^\u0000-\u00ff]/.test(value));
const layerKey = z.custom<LayerKey>((value) => typeof value === 'string' && isLayerKey(value));
const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value));
const count = z.int().nonnegative();

export const storeMarkerSchema = z.strictObject({ format: z.int().positive(), bootId: z.string() });

/** Records of earlier versions have lists of paths here. Such layers are fetched again. */
const layerSummarySchema = z.strictObject({
  entries: count,
  contentBytes: count,
  dropped: z.record(z.string(), count),
  isPlain: z.boolean(),
  unresolvedLink: z.exactOptional(z.strictObject({ path: byteString, target: byteString })),
  paths: z.exactOptional(z.strictObject({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/), weight: count })),
}) satisfies z.ZodType<LayerSummary>;

const layerImageSchema = z.strictObject({
  bytes: count,
  verity: z.exactOptional(z.strictObject({ rootHash: z.string().regex(/^[0-9a-f]{64}$/), hashOffset: count })),
});

export const layerRecordSchema = z.strictObject({
  key: layerKey,
  diffId: digest,
  state: z.enum(['published', 'needs-chain']),
  facts: layerSummarySchema,
  diskBytes: count,
  image: z.exactOptional(layerImageSchema),
}) satisfies z.ZodType<LayerRecord>;

export const nameRecordSchema = z.strictObject({
  reference: z.string(),
  digest,
  via: z.array(digest),
}) satisfies z.ZodType<NameRecord>;

export const imageRecordSchema = z.strictObject({
  manifestDigest: digest,
  configDigest: digest,
  layerKeys: z.array(layerKey),
  platform: z.string(),
  pulledAt: z.iso.datetime(),
}) satisfies z.ZodType<ImageRecord>;

const signatureSchema = z.strictObject({
  origin: z.string(),
  mediaType: z.string(),
  annotations: z.record(z.string(), z.string()),
  /** In base64. */
  content: z.string(),
});

export const signatureRecordSchema = z.strictObject({ image: digest, signatures: z.array(signatureSchema) });

export const mountRecordSchema = z.strictObject({
  id: z.string(),
  target: z.string(),
  layers: z.array(layerKey),
  upper: z.string(),
  imageDigest: z.string(),
}) satisfies z.ZodType<MountRecord>;
