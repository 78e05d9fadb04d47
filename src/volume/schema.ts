import * as z from 'zod';
import { CODES, type ErrorCode, KINDS } from '../errors/index.ts';
import type { VolumeRecord } from './types.ts';

const count = z.int().nonnegative();
const deviceId = z.string().regex(/^[0-9]+:[0-9]+$/);

const source = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('deviceId'), major: count, minor: count }),
  z.strictObject({ kind: z.literal('devicePath'), path: z.string() }),
  z.strictObject({ kind: z.literal('nodes'), paths: z.array(z.string()) }),
]);

const device = z.strictObject({ deviceId, path: z.string(), bytes: count, sectorBytes: count, diskseq: z.string() });

const expected = z.strictObject({
  name: z.string(),
  device: z.strictObject({ deviceId, diskseq: z.string() }),
  sectors: count,
  cipher: z.string(),
  keyBytes: count,
  tagBytes: count,
  journalSectors: count,
  interleaveSectors: count,
});

const mapping = z.strictObject({
  name: z.string(),
  deviceId,
  path: z.string(),
  bytes: count,
  uuids: z.tuple([z.string(), z.string()]),
});

const error = z.strictObject({
  code: z.custom<ErrorCode>((value) => typeof value === 'string' && Object.hasOwn(CODES, value)),
  kind: z.enum(Object.keys(KINDS) as [keyof typeof KINDS]),
  message: z.string(),
  hint: z.string(),
  context: z.record(z.string(), z.union([z.string(), z.number()])),
  causes: z.array(z.string()),
});

export const volumeRecordSchema = z.strictObject({
  format: z.literal(1),
  bootId: z.string(),
  state: z.enum(['preparing', 'ready', 'failed', 'stalled']),
  request: z.strictObject({ source, mountPoint: z.string(), bytesPerInode: z.exactOptional(count) }),
  device: z.exactOptional(device),
  expected: z.exactOptional(expected),
  mapping: z.exactOptional(mapping),
  error: z.exactOptional(error),
}) satisfies z.ZodType<VolumeRecord>;
