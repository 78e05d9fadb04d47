import * as z from 'zod';

// https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#oci-layout-file
export const layoutSchema = z.object({ imageLayoutVersion: z.string() });

// https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format
const itemSchema = z.object({
  Config: z.string().min(1),
  RepoTags: z
    .array(z.string())
    .nullish()
    .transform((tags) => tags ?? []),
  Layers: z
    .array(z.string().min(1))
    .nullish()
    .transform((layers) => layers ?? []),
});

export const dockerManifestSchema = z.array(itemSchema);

export type DockerManifestItem = z.output<typeof itemSchema>;
