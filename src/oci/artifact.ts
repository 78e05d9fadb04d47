import { prefixError } from '../errors/index.ts';
import type { Descriptor } from './descriptor.ts';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from './digest.ts';
import {
  identify,
  invalid,
  MAX_MANIFEST_VALUES,
  type ManifestLimits,
  refuseSpellings,
  toDescriptor,
} from './manifest.ts';
import { isJsonObject, type JsonLimits, type JsonObject, parseStrictJson } from './parse-json.ts';
import { artifactSchema, readDocument, refuseKeyVariants } from './schema.ts';

/** A manifest that is read for what it holds, such as signatures, and not as an image. */
export interface ArtifactManifest {
  /** The type that it states itself, else the media type of its config. */
  readonly artifactType: string;
  readonly layers: readonly Descriptor[];
  /** The manifest that it is attached to. */
  readonly subject: Digest | undefined;
}

/** One entry of a list of referrers. Nothing of it is checked. */
export interface ListedReferrer {
  readonly unsafeDigest: string;
  /** Empty if the entry has none. */
  readonly mediaType: string;
  /** Empty if the entry has none. */
  readonly artifactType: string;
}

type JsonBound = Pick<ManifestLimits, 'maxJsonDepth'>;

const CODE = 'MANIFEST_INVALID';

function parseObject(rawBytes: Uint8Array, limits: JsonLimits): JsonObject {
  const document = parseStrictJson(rawBytes, limits);
  if (!isJsonObject(document)) throw invalid('document: expected an object');
  return document;
}

/**
 * Parses a manifest that may be any artifact; undefined for an index. Throws `JSON_INVALID`, `MANIFEST_INVALID`,
 * `MANIFEST_UNSUPPORTED`, `DIGEST_INVALID`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
 */
export function parseArtifactManifest(
  rawBytes: Uint8Array,
  contentType: string,
  limits: JsonBound,
): ArtifactManifest | undefined {
  try {
    const document = parseObject(rawBytes, { maxDepth: limits.maxJsonDepth, maxValues: MAX_MANIFEST_VALUES });
    refuseSpellings(document);
    refuseKeyVariants(document, { knownKeys: ['subject'], code: CODE, where: 'document' });
    const { kind } = identify(document, contentType);
    return kind === 'index' ? undefined : readArtifact(document);
  } catch (error) {
    throw prefixError('manifest', error);
  }
}

function readArtifact(document: JsonObject): ArtifactManifest {
  const { artifactType, config, layers, subject } = readDocument(artifactSchema, document, CODE);
  return {
    artifactType: artifactType ?? config.mediaType,
    layers: layers.map((layer, position) => toDescriptor(layer, `layers.${position}`)),
    subject: subject === undefined ? undefined : parseDigest(subject.digest),
  };
}

/**
 * Parses an index that lists what refers to a manifest, and yields its entries. A list may be long, so that they are only
 * read for their types, one by one, as far as they are asked for; `parseDigest` has to check their digests. Throws `JSON_INVALID`, `MANIFEST_INVALID`, `MANIFEST_UNSUPPORTED`.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
 */
export function* parseReferrerList(
  rawBytes: Uint8Array,
  contentType: string,
  limits: JsonBound,
): Generator<ListedReferrer, void> {
  try {
    const document = parseObject(rawBytes, { maxDepth: limits.maxJsonDepth });
    refuseKeyVariants(document, { knownKeys: ['manifests'], code: CODE, where: 'document' });
    const { kind } = identify(document, contentType);
    if (kind !== 'index') throw invalid('expected an index, got a manifest');
    // An empty list of Go is null.
    const entries = document['manifests'] ?? [];
    if (!Array.isArray(entries)) throw invalid('manifests: expected an array');
    for (const entry of entries) yield readEntry(entry);
  } catch (error) {
    throw prefixError('list of referrers', error);
  }
}

function readEntry(entry: unknown): ListedReferrer {
  if (!isJsonObject(entry)) throw invalid('manifests: expected objects');
  const textOf = (key: string): string => {
    const value = entry[key] ?? '';
    if (typeof value !== 'string') throw invalid(`manifests: expected ${key} to be a string`);
    return value;
  };
  return { unsafeDigest: textOf('digest'), mediaType: textOf('mediaType'), artifactType: textOf('artifactType') };
}

/**
 * Returns the tag under which a list of what refers to a manifest lies in registries that offer none themselves.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema
 */
export function referrersTag(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 64)}`;
}
