export type { Descriptor } from './descriptor.ts';
export { type Digest, digestAlgorithm, digestHex, isDigest, parseDigest } from './digest.ts';
export {
  FILE_TRANSPORTS,
  type FileReference,
  type FileTransport,
  fileTransportOf,
  foreignTransportOf,
  formatImagePlace,
  formatImageReference,
  type ImageReference,
  type ImageSelector,
  isFileReference,
  parseFileReference,
  registryNameOf,
} from './file-reference.ts';
export { hashBytes } from './hash-bytes.ts';
export {
  chainIds,
  type ImageConfig,
  type ImageLayer,
  matchDiffIds,
  parseImageConfig,
  type RuntimeDefaults,
} from './image-config.ts';
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
  isForeignLayerType,
  isImageConfigType,
  type LayerCompression,
  layerCompression,
  MANIFEST_MEDIA_TYPES,
  type ManifestKind,
  manifestKind,
} from './media-type.ts';
export { type NamedArtifact, nameArtifact } from './name-artifact.ts';
export { isJsonObject, type JsonLimits, type JsonObject, parseStrictJson } from './parse-json.ts';
export { formatPlatform, hostPlatform, normalizePlatform, type Platform, parsePlatform } from './platform.ts';
export {
  formatReference,
  formatRepositoryName,
  isReferenceDomain,
  isShortName,
  parseReference,
  type Reference,
  withDefaultTag,
} from './reference.ts';
export { refuseKeyVariants } from './schema.ts';
export { selectPlatform } from './select-platform.ts';
