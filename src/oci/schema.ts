import * as z from 'zod';
import { type ErrorCode, SealiftError } from '../errors/index.ts';
import { isJsonObject, type JsonObject } from './parse-json.ts';

/** Absent, null and empty mean the same, since Docker writes all three. */
const optionalText = z
  .string()
  .nullish()
  .transform((text) => text || undefined);

const text = optionalText.transform((value) => value ?? '');

/** A string that becomes an argument or an environment variable, which end at a NUL. */
const cString = z.string().refine((value) => !value.includes('\0'), 'expected no NUL character');
const cStrings = z
  .array(cString)
  .nullish()
  .transform((strings) => strings ?? []);

const jsonMap = z
  .custom<JsonObject>(isJsonObject, 'expected an object')
  .nullish()
  .transform((map): JsonObject => map ?? Object.create(null));

/** zod's own record drops the key `__proto__`; labels and annotations are attacker-controlled and keep every key. */
const stringMap = jsonMap.transform((map, context): Readonly<Record<string, string>> => {
  const strings: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(map)) {
    if (typeof value === 'string') strings[key] = value;
    else context.addIssue({ code: 'custom', message: `expected a string for "${key}"` });
  }
  return strings;
});

const keySet = jsonMap.transform((map): readonly string[] => Object.keys(map));

// https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md; `data` is never used.
const descriptorSchema = z.object({
  mediaType: z.string().min(1),
  digest: z.string(),
  size: z.number().int().min(0),
  urls: z
    .array(z.string())
    .nullish()
    .transform((urls) => urls ?? []),
  annotations: stringMap,
});

const entrySchema = descriptorSchema.extend({
  artifactType: optionalText,
  platform: z
    .object({ os: text, architecture: text, variant: optionalText })
    .nullish()
    .transform((platform) => platform ?? undefined),
});

const documentSchema = z.object({ mediaType: z.string().min(1).optional(), annotations: stringMap });

export const manifestSchema = documentSchema.extend({
  config: descriptorSchema,
  // Go writes null for a list that nothing was added to.
  layers: z
    .array(descriptorSchema)
    .nullish()
    .transform((layers) => layers ?? []),
});

/** A manifest that need not be that of an image. https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md */
export const artifactSchema = manifestSchema.extend({
  artifactType: optionalText,
  subject: descriptorSchema.nullish().transform((subject) => subject ?? undefined),
});

export const indexSchema = documentSchema.extend({ manifests: z.array(entrySchema) });

/** An image without layers may have any of the forms in which Go writes an empty structure; others need the type. */
const rootfsSchema = z
  .object({
    type: text,
    diff_ids: z
      .array(z.string())
      .nullish()
      .transform((diffIds) => diffIds ?? []),
  })
  .nullish()
  .transform((rootfs) => rootfs ?? { type: '', diff_ids: [] })
  .refine(({ type, diff_ids }) => type === 'layers' || (type === '' && diff_ids.length === 0), {
    path: ['type'],
    message: 'expected "layers"',
  });

// https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
export const imageConfigSchema = z.object({
  os: text,
  architecture: text,
  variant: optionalText,
  author: optionalText,
  created: optionalText,
  'os.version': optionalText,
  'os.features': cStrings,
  rootfs: rootfsSchema,
  config: z
    .object({
      User: text,
      Env: cStrings,
      Entrypoint: cStrings,
      Cmd: cStrings,
      WorkingDir: text.refine((value) => !value.includes('\0'), 'expected no NUL character'),
      Labels: stringMap,
      ExposedPorts: keySet,
      Volumes: keySet,
      StopSignal: optionalText,
    })
    .nullish(),
});

export type RawDescriptor = z.output<typeof descriptorSchema>;
export type RawIndexEntry = z.output<typeof entrySchema>;
export type RawImageConfig = z.output<typeof imageConfigSchema>;

/** Returns the value as the schema describes it. Throws `code` with the path of the first problem. */
export function readDocument<S extends z.ZodType>(schema: S, value: unknown, code: ErrorCode): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') || 'document';
  throw new SealiftError(code, `${path}: ${issue?.message ?? 'unreadable'}`, { context: { path } });
}

export interface KeyCheck {
  readonly knownKeys: readonly string[];
  readonly code: ErrorCode;
  /** The part of the document that the message names. */
  readonly where: string;
}

/** Folds case as encoding/json of Go does to compare keys: U+017F equals `s`, and U+212A equals `k`. */
function fold(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/**
 * Refuses a key that a parser that ignores case would read as one of `knownKeys`: a scanner written in Go reads
 * `Layers` as `layers`, and Sealift does not (compare CVE-2021-41190). Throws `code`.
 */
export function refuseKeyVariants(value: unknown, { knownKeys, code, where }: KeyCheck): void {
  if (!isJsonObject(value)) return;
  const exact = new Set(knownKeys);
  const folded = new Map(knownKeys.map((key) => [fold(key), key]));
  for (const key of Object.keys(value)) {
    const known = folded.get(fold(key));
    if (known !== undefined && !exact.has(key)) {
      throw new SealiftError(
        code,
        `${where}: expected the key "${known}", got "${key}", which some JSON readers treat as the same key`,
      );
    }
  }
}
