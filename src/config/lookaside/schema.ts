import * as z from 'zod';

const address = z.string().nullish();

const section = z
  .strictObject({
    lookaside: address,
    'lookaside-staging': address,
    sigstore: address,
    'sigstore-staging': address,
    'use-sigstore-attachments': z.boolean('expected true or false').nullish(),
  })
  .nullable();

/** One file of registries.d. A key without a value counts as absent, as in examples in which all lines are comments. */
export const lookasideSchema = z
  .strictObject({ 'default-docker': section.optional(), docker: z.record(z.string().min(1), section).nullish() })
  .nullable();

export type LookasideFile = z.output<typeof lookasideSchema>;
export type SectionTable = z.output<typeof section>;
