import type { FakeRegistry } from '../registries/fake-registry.ts';
import {
  type Artifact,
  artifactBytes,
  BUNDLE_TYPE,
  CONFIG_TYPE,
  entryOf,
  INDEX_TYPE,
  listBytes,
  MANIFEST_TYPE,
} from './attachment-world.ts';
import type { Attachment } from './sigstore-signatures.ts';

/** What signatures are attached to. */
export interface Subject {
  readonly repository: string;
  readonly digest: string;
}

const layerOf = ({ content, ...layer }: Attachment) => ({ ...layer, bytes: Buffer.from(content) });

/** Stores an artifact with its layers, and returns its bytes. */
export function storeArtifact(registry: FakeRegistry, repository: string, artifact: Artifact, tag?: string): Buffer {
  for (const { bytes } of artifact.layers) registry.addBlob(bytes);
  const bytes = artifactBytes(artifact);
  registry.addManifest(repository, bytes, MANIFEST_TYPE, tag);
  return bytes;
}

/** Attaches signatures as cosign did before version 3: under a tag. */
export function attachUnderTag(
  registry: FakeRegistry,
  { repository, digest }: Subject,
  attachments: readonly Attachment[],
): void {
  const artifact = { layers: attachments.map(layerOf), configType: CONFIG_TYPE };
  storeArtifact(registry, repository, artifact, `${digest.replace(':', '-')}.sig`);
}

/** Attaches a bundle as cosign 3 does. Returns the bytes of the manifest, for a list under a tag. */
export function attachReferrer(
  registry: FakeRegistry,
  { repository, digest }: Subject,
  attachment: Attachment,
): Buffer {
  const artifact = { layers: [layerOf(attachment)], artifactType: BUNDLE_TYPE, subject: digest };
  return storeArtifact(registry, repository, artifact);
}

/** Writes the list of what refers to an image under its tag, for a registry that gives none. Entries have no type. */
export function listUnderTag(
  registry: FakeRegistry,
  { repository, digest }: Subject,
  manifests: readonly Uint8Array[],
): void {
  const list = listBytes(manifests.map((bytes) => entryOf(bytes)));
  registry.addManifest(repository, list, INDEX_TYPE, digest.replace(':', '-'));
}
