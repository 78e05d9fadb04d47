export {
  type ArtifactManifest,
  type ListedReferrer,
  parseArtifactManifest,
  parseReferrerList,
  referrersTag,
} from './artifact.ts';
export type { Descriptor } from './descriptor.ts';
export { type Digest, digestAlgorithm, digestHex, hashBytes, isDigest, parseDigest } from './digest.ts';
export {
  FILE_TRANSPORTS,
  type FileReference,
  fileTransportOf,
  foreignTransportOf,
  formatImageLocation,
  formatImageReference,
  type ImageReference,
  type ImageSelector,
  isFileReference,
  parseFileReference,
  registryNameOf,
} from './file-reference.ts';
export { chainIds, type ImageConfig, matchDiffIds, parseImageConfig } from './image-config.ts';
export {
  type ImageIndex,
  type ImageManifest,
  type IndexEntry,
  isGenericContentType,
  type ManifestDocument,
  type ManifestLimits,
  parseManifestDocument,
} from './manifest.ts';
export {
  isImageConfigType,
  type LayerCompression,
  layerCompression,
  MANIFEST_MEDIA_TYPES,
  manifestKind,
  OCI_INDEX,
} from './media-type.ts';
export { isJsonObject, type JsonObject, parseStrictJson } from './parse-json.ts';
export { formatPlatform, hostPlatform, type Platform, parsePlatform } from './platform.ts';
export {
  formatReference,
  formatRepositoryName,
  isReferenceDomain,
  isShortName,
  parseReference,
  type Reference,
  withDefaultTag,
} from './reference.ts';
export { referenceScopes } from './reference-scopes.ts';
export { refuseKeyVariants } from './schema.ts';
export { selectPlatform } from './select-platform.ts';
export { settlePlatform } from './settle-platform.ts';
