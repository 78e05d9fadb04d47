import * as z from 'zod';
import { MIRROR_USES, SHORT_NAME_MODES } from './types.ts';

const mirror = z.looseObject({
  location: z.string().optional(),
  insecure: z.boolean().optional(),
  'pull-from-mirror': z.union([z.literal(''), z.enum(MIRROR_USES)]).optional(),
});

const registry = z.looseObject({
  prefix: z.string().optional(),
  location: z.string().optional(),
  insecure: z.boolean().optional(),
  blocked: z.boolean().optional(),
  mirror: z.array(mirror).optional(),
  'mirror-by-digest-only': z.boolean().optional(),
  'pull-from-mirror': z.string().optional(),
});

/** The schema of a registries.conf. Unknown keys are ignored, because every reader of this format does so. */
export const registriesSchema = z.looseObject({
  'unqualified-search-registries': z.array(z.string()).optional(),
  'short-name-mode': z.union([z.literal(''), z.enum(SHORT_NAME_MODES)]).optional(),
  aliases: z.record(z.string(), z.string()).optional(),
  registry: z.array(registry).optional(),
  // Only version 1 of the format has this key; it is refused.
  registries: z.unknown().optional(),
});

export type RegistryTable = z.output<typeof registry>;
export type MirrorTable = z.output<typeof mirror>;
