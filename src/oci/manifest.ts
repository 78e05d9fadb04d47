import { prefixError, SealiftError } from '../errors/index.ts';
import { LIMITS } from '../limits/index.ts';
import type { Descriptor } from './descriptor.ts';
import { parseDigest } from './digest.ts';
import {
  isForeignLayerType,
  isImageConfigType,
  type ManifestKind,
  manifestKind,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-type.ts';
import { nameArtifact } from './name-artifact.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from './parse-json.ts';
import {
  indexSchema,
  manifestSchema,
  type RawDescriptor,
  type RawIndexEntry,
  readDocument,
  refuseKeyVariants,
} from './schema.ts';

export interface ImageManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

export interface IndexEntry extends Descriptor {
  readonly artifactType: string | undefined;
}

export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly IndexEntry[];
}

export type ManifestDocument =
  | { readonly kind: 'manifest'; readonly manifest: ImageManifest }
  | { readonly kind: 'index'; readonly index: ImageIndex };

export interface ManifestLimits {
  readonly maxLayers: number;
  readonly maxJsonDepth: number;
  readonly maxLayerUrls?: number;
}

const DEFAULT_MANIFEST_LIMITS: ManifestLimits = {
  maxLayers: LIMITS.maxLayers.default,
  maxJsonDepth: LIMITS.maxJsonDepth.default,
};

/** Prefix of the two media types of Docker schema 1 manifests. */
const SCHEMA_1 = 'application/vnd.docker.distribution.manifest.v1+';

const DOCUMENT_KEYS = ['schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'fsLayers', 'history', 'blobs'];
const COMMON_KEYS = ['artifactType', 'annotations'];
const DESCRIPTOR_KEYS = ['mediaType', 'digest', 'size', 'urls', 'data', 'platform', ...COMMON_KEYS];
const PLATFORM_KEYS = ['os', 'architecture', 'variant', 'os.version', 'os.features'];

/** Content types that do not identify the document; some registries and most file servers send them. */
const GENERIC_TYPES = new Set(['', 'application/json', 'application/octet-stream', 'text/plain']);

/** Takes a content type without parameters. */
export function isGenericContentType(contentType: string): boolean {
  return GENERIC_TYPES.has(contentType);
}

export function invalid(message: string): SealiftError {
  return new SealiftError('MANIFEST_INVALID', message);
}

/** `fallback` describes a document whose media type belongs to no known artifact. */
function unsupported(mediaType: string, fallback: string): SealiftError {
  const artifact = nameArtifact(mediaType);
  const what = artifact === undefined ? fallback : `${artifact.name} (${fallback})`;
  return new SealiftError('MANIFEST_UNSUPPORTED', `expected an image manifest or index, got ${what}`, {
    ...(artifact === undefined ? {} : { hint: artifact.hint }),
  });
}

/** Refuses keys that some readers of JSON take for another key. Throws `MANIFEST_INVALID`. */
export function refuseSpellings(document: JsonObject): void {
  const code = 'MANIFEST_INVALID';
  refuseKeyVariants(document, { knownKeys: [...DOCUMENT_KEYS, ...COMMON_KEYS], code, where: 'document' });
  for (const member of ['config', 'layers', 'manifests']) {
    const value = document[member];
    for (const descriptor of Array.isArray(value) ? value : [value]) {
      refuseKeyVariants(descriptor, { knownKeys: DESCRIPTOR_KEYS, code, where: member });
      const platform = isJsonObject(descriptor) ? descriptor['platform'] : undefined;
      refuseKeyVariants(platform, { knownKeys: PLATFORM_KEYS, code, where: `${member}: platform` });
    }
  }
}

function checkVersion(document: JsonObject): void {
  const version = document['schemaVersion'];
  if (version === 1) throw unsupported(`${SCHEMA_1}prettyjws`, 'schemaVersion 1');
  if (version !== 2) throw invalid(`schemaVersion: expected 2, got ${JSON.stringify(version) ?? 'nothing'}`);
}

/**
 * Derives the kind of a document from its members. A document that could be read as two kinds is refused
 * (CVE-2021-41190). A key counts even if its value is null.
 */
function kindByStructure(document: JsonObject): ManifestKind | undefined {
  const present = DOCUMENT_KEYS.slice(2).filter((key) => key in document);
  const strangers = present.filter((key) => key === 'fsLayers' || key === 'history' || key === 'blobs');
  const isIndex = present.includes('manifests');
  const isManifest = present.includes('config') || present.includes('layers');
  if ((isIndex || isManifest) && strangers.length > 0) {
    throw invalid(`document: expected one kind of manifest, got the members ${present.join(', ')}`);
  }
  if (isIndex && isManifest) throw invalid(`document is both index and manifest: it has ${present.join(', ')}`);
  if (isIndex) return 'index';
  return isManifest ? 'manifest' : undefined;
}

const MEMBERS_OF = { manifest: 'a manifest', index: 'an index', neither: 'neither' } as const;

/**
 * Returns the media type on which document and Content-Type agree.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
 */
function agreedMediaType(document: JsonObject, contentType: string): string | undefined {
  const declared = document['mediaType'];
  if (declared !== undefined && (typeof declared !== 'string' || declared === '')) {
    throw invalid(`mediaType: expected a string, got ${JSON.stringify(declared)}`);
  }
  const [stated = ''] = contentType.split(';', 1);
  const served = stated.trim().toLowerCase();
  if (isGenericContentType(served)) return declared;
  if (declared !== undefined && declared !== served) {
    throw invalid(`mediaType: expected "${served}" as in the Content-Type, got "${declared}"`);
  }
  return served;
}

/** Returns what the members, the media type and the Content-Type agree on. Throws `MANIFEST_INVALID`, `MANIFEST_UNSUPPORTED`. */
export function identify(document: JsonObject, contentType: string): { kind: ManifestKind; mediaType: string } {
  const stated = agreedMediaType(document, contentType);
  if (stated !== undefined && manifestKind(stated) === undefined)
    throw unsupported(stated, `the media type "${stated}"`);
  checkVersion(document);
  const structure = kindByStructure(document);
  const kind = stated === undefined ? structure : manifestKind(stated);
  if (kind === undefined) throw unsupported('', 'a document with the members of neither');
  const mediaType = stated ?? (kind === 'manifest' ? OCI_MANIFEST : OCI_INDEX);
  if (structure !== kind)
    throw invalid(
      `document: expected the members of "${mediaType}", got those of ${MEMBERS_OF[structure ?? 'neither']}`,
    );
  return { kind, mediaType };
}

function refuseArtifact(document: JsonObject): void {
  const type = document['artifactType'] ?? '';
  // Some tools repeat the media type of the image config there.
  if (type === '' || (typeof type === 'string' && isImageConfigType(type))) return;
  throw unsupported(String(type), `an artifact of type ${JSON.stringify(type)}`);
}

function toLayer(raw: RawDescriptor, position: number, maxUrls: number): Descriptor {
  const layer = toDescriptor(raw, `layers.${position}`);
  if (!isForeignLayerType(layer.mediaType) || raw.urls.length === 0) return layer;
  if (raw.urls.length <= maxUrls) return { ...layer, unsafeUrls: raw.urls };
  throw new SealiftError(
    'LAYER_LIMIT_EXCEEDED',
    `layers.${position}: expected at most ${maxUrls} urls, got ${raw.urls.length}`,
    { context: { limit: 'maxLayerUrls', expected: maxUrls, actual: raw.urls.length } },
  );
}

export function toDescriptor(raw: RawDescriptor, where: string): Descriptor {
  try {
    const { mediaType, size, annotations } = raw;
    return { mediaType, digest: parseDigest(raw.digest), size, annotations, platform: undefined };
  } catch (error) {
    throw prefixError(where, error);
  }
}

function toIndexEntry(raw: RawIndexEntry, position: number): IndexEntry {
  const { platform, artifactType } = raw;
  return { ...toDescriptor(raw, `manifests.${position}`), platform, artifactType };
}

function readManifest(document: JsonObject, mediaType: string, limits: ManifestLimits): ImageManifest {
  const { maxLayers, maxLayerUrls = LIMITS.maxLayerUrls.default } = limits;
  const raw = readDocument(manifestSchema, document, 'MANIFEST_INVALID');
  if (!isImageConfigType(raw.config.mediaType)) {
    throw unsupported(raw.config.mediaType, `an artifact with a config of type "${raw.config.mediaType}"`);
  }
  if (raw.layers.length > maxLayers) {
    throw new SealiftError('LAYER_LIMIT_EXCEEDED', `expected at most ${maxLayers} layers, got ${raw.layers.length}`, {
      context: { limit: 'maxLayers', expected: maxLayers, actual: raw.layers.length },
    });
  }
  return {
    mediaType,
    config: toDescriptor(raw.config, 'config'),
    layers: raw.layers.map((layer, position) => toLayer(layer, position, maxLayerUrls)),
    annotations: raw.annotations,
  };
}

function readIndex(document: JsonObject, mediaType: string): ImageIndex {
  const raw = readDocument(indexSchema, document, 'MANIFEST_INVALID');
  return { mediaType, manifests: raw.manifests.map(toIndexEntry) };
}

/** Schemas look at each value, and gather a problem for each that is wrong. */
export const MAX_MANIFEST_VALUES = 50_000;

/**
 * Parses an image manifest or index, OCI or Docker schema 2. `contentType` is what the registry sent, or empty. Throws
 * `JSON_INVALID`, `MANIFEST_INVALID`, `MANIFEST_UNSUPPORTED`, `DIGEST_INVALID`, `LAYER_LIMIT_EXCEEDED`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md
 */
export function parseManifestDocument(
  rawBytes: Uint8Array,
  contentType: string,
  limits: ManifestLimits = DEFAULT_MANIFEST_LIMITS,
): ManifestDocument {
  try {
    const document = parseStrictJson(rawBytes, { maxDepth: limits.maxJsonDepth, maxValues: MAX_MANIFEST_VALUES });
    if (!isJsonObject(document)) throw invalid('document: expected an object');
    refuseSpellings(document);
    const { kind, mediaType } = identify(document, contentType);
    refuseArtifact(document);
    return kind === 'manifest'
      ? { kind, manifest: readManifest(document, mediaType, limits) }
      : { kind, index: readIndex(document, mediaType) };
  } catch (error) {
    throw prefixError('manifest', error);
  }
}
