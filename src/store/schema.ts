import * as z from 'zod';
import type { ByteString } from '../bytes/index.ts';
import { isDigest } from '../oci/index.ts';
import type { LayerFacts } from '../unpack/index.ts';
import { isLayerKey } from './layer-key.ts';
import type { LayerKey } from './types.ts';

const byteString = z.custom<ByteString>((value) => typeof value === 'string' && !/[^\u0000-\u00ff]/.test(value));
const layerKey = z.custom<LayerKey>((value) => typeof value === 'string' && isLayerKey(value));
const count = z.int().nonnegative();

export const storeMarkerSchema = z.strictObject({ format: z.int().positive(), bootId: z.string() });

const layerFactsSchema = z.strictObject({
  entries: count,
  contentBytes: count,
  implied: z.array(z.strictObject({ path: byteString, cut: z.boolean() })),
  unresolvedLinks: z.array(z.strictObject({ path: byteString, target: byteString })),
  opaqueRoot: z.boolean(),
  dropped: z.record(z.string(), count),
}) satisfies z.ZodType<LayerFacts>;

export const layerRecordSchema = z.strictObject({
  key: layerKey,
  diffId: z.string().refine(isDigest),
  state: z.enum(['published', 'needs-chain']),
  facts: layerFactsSchema,
});

export const nameRecordSchema = z.strictObject({ reference: z.string(), digest: z.string().refine(isDigest) });

export const mountRecordSchema = z.strictObject({
  id: z.string(),
  target: z.string(),
  layers: z.array(z.string()),
  upper: z.string(),
  imageDigest: z.string(),
});
