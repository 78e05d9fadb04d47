import { prefixError, SealiftError } from '../errors/index.ts';
import type { Limits } from '../limits/index.ts';
import {
  type Descriptor,
  type Digest,
  type ImageManifest,
  type ImageReference,
  isDigest,
  isGenericContentType,
  type Platform,
  parseManifestDocument,
  selectPlatform,
} from '../oci/index.ts';
import type { FetchedDocument } from '../registry/index.ts';
import { firstDocumentName, type ImageBytes } from './named-image.ts';
import { manifestBound, verifySize } from './verify-size.ts';

/** What the reference stands for, before the policy has judged it. */
export interface ResolvedImage {
  /** The indexes that led to the manifest, outermost first. */
  readonly indexes: readonly FetchedDocument[];
  readonly manifest: FetchedDocument;
  readonly untrustedManifest: ImageManifest;
  /** What the innermost index that names a platform says of the manifest; undefined without such an index. */
  readonly listedPlatform: Platform | undefined;
}

/** Documents that a store has by digest; they are hashed again when they are read. */
export interface KnownDocuments {
  getManifest(digest: Digest): Uint8Array | undefined;
}

export interface ResolveRequest {
  readonly source: ImageBytes;
  /** One of a registry has a tag or a digest. */
  readonly reference: ImageReference;
  readonly platform: Platform;
  readonly limits: Limits;
  readonly documents: KnownDocuments | undefined;
  readonly signal: AbortSignal;
}

/**
 * Resolves a reference to one manifest: the tag once, everything after by digest, an index by platform. Every hop is
 * hashed. Throws the errors of `parseManifestDocument`, `selectPlatform` and of the source.
 */
export async function resolveImage(request: ResolveRequest): Promise<ResolvedImage> {
  const { reference, limits, platform } = request;
  const indexes: FetchedDocument[] = [];
  let listedPlatform: Platform | undefined;
  let document = await fetchDocument(request, firstDocumentName(reference));
  for (;;) {
    const parsed = parseDocument(document, limits);
    if (parsed.kind === 'manifest') {
      return { indexes, manifest: document, untrustedManifest: parsed.manifest, listedPlatform };
    }
    indexes.push(document);
    if (indexes.length > limits.maxIndexDepth) {
      const message = `index: expected at most ${limits.maxIndexDepth} nested in one another, got more`;
      throw new SealiftError('MANIFEST_INVALID', message, {
        context: { limit: 'maxIndexDepth', expected: limits.maxIndexDepth, actual: indexes.length },
      });
    }
    const entry = selectPlatform(parsed.index.manifests, platform);
    listedPlatform = entry.platform ?? listedPlatform;
    document = await fetchEntry(request, entry);
  }
}

function parseDocument(document: FetchedDocument, limits: Limits) {
  try {
    return parseManifestDocument(document.rawBytes, document.contentType, limits);
  } catch (error) {
    throw prefixError(document.digest, error);
  }
}

async function fetchDocument(request: ResolveRequest, tagOrDigest: string): Promise<FetchedDocument> {
  const { source, documents, limits, signal } = request;
  if (!isDigest(tagOrDigest)) return source.fetchManifest(tagOrDigest, signal);
  const rawBytes = documents?.getManifest(tagOrDigest);
  if (rawBytes === undefined) return source.fetchManifest(tagOrDigest, signal);
  // No descriptor says how long it is, but the limit may have been another when it was fetched.
  verifySize({ digest: tagOrDigest, size: rawBytes.length }, rawBytes, manifestBound(limits));
  return { rawBytes, digest: tagOrDigest, contentType: '' };
}

async function fetchEntry(request: ResolveRequest, entry: Descriptor): Promise<FetchedDocument> {
  const document = await fetchDocument(request, entry.digest);
  verifySize(entry, document.rawBytes, manifestBound(request.limits));
  const { contentType } = document;
  if (!isGenericContentType(contentType) && contentType !== entry.mediaType) {
    throw new SealiftError(
      'MANIFEST_INVALID',
      `manifest ${entry.digest}: expected "${entry.mediaType}" as its index says, got "${contentType}"`,
      { context: { expected: entry.mediaType, actual: contentType } },
    );
  }
  // The entry must be what the index says that it is, so the index's media type is judged like a Content-Type.
  return { ...document, contentType: entry.mediaType };
}
