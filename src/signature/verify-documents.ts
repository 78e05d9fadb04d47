import { prefixError, SealiftError } from '../errors/index.ts';
import {
  type Digest,
  formatImageReference,
  hashBytes,
  type ImageManifest,
  type ManifestDocument,
  type ManifestLimits,
  parseManifestDocument,
} from '../oci/index.ts';
import type { ImageCandidate, RawDocument, VerifiedImage } from './types.ts';

interface HashedDocument {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly contentType: string;
  /** The digests by every supported algorithm, so that a name in either of them matches. */
  readonly names: ReadonlySet<Digest>;
}

interface ParsedDocument extends HashedDocument {
  readonly parsed: ManifestDocument;
}

/** Hashes a copy, so that no other code can change the bytes afterwards. */
function hashDocument({ rawBytes, digest, contentType }: RawDocument): HashedDocument {
  const bytes = Uint8Array.from(rawBytes);
  const names = new Set([hashBytes(bytes, 'sha256'), hashBytes(bytes, 'sha512')]);
  requireName(names, digest, 'document');
  return { bytes, digest, contentType, names };
}

function parse(document: HashedDocument, limits: ManifestLimits | undefined): ParsedDocument {
  return { ...document, parsed: parseManifestDocument(document.bytes, document.contentType, limits) };
}

function requireName(names: ReadonlySet<Digest>, expected: Digest, what: string): void {
  if (names.has(expected)) return;
  const [actual = ''] = names;
  throw new SealiftError('MANIFEST_DIGEST_MISMATCH', `${what}: expected ${expected}, the bytes have ${actual}`, {
    context: { expected, actual },
  });
}

/** The entry that leads to `next` must name exactly these bytes, and their media type. */
function requireEntry(document: ParsedDocument, next: ParsedDocument): void {
  const { parsed, digest } = document;
  if (parsed.kind !== 'index') throw wrongKind(document, 'index');
  const { mediaType } = next.parsed.kind === 'index' ? next.parsed.index : next.parsed.manifest;
  const entries = parsed.index.manifests.filter(
    (entry) => next.names.has(entry.digest) && entry.size === next.bytes.length,
  );
  if (entries.some((entry) => entry.mediaType === mediaType)) return;
  const actual = entries[0]?.mediaType ?? 'none';
  throw new SealiftError(
    entries.length === 0 ? 'MANIFEST_DIGEST_MISMATCH' : 'MANIFEST_INVALID',
    `index ${digest}: expected an entry for ${next.digest} of ${next.bytes.length} bytes and type "${mediaType}", got ${actual}`,
    { context: { expected: next.digest, actual } },
  );
}

function requireManifest(document: ParsedDocument): ImageManifest {
  if (document.parsed.kind !== 'manifest') throw wrongKind(document, 'manifest');
  return document.parsed.manifest;
}

function wrongKind({ digest, parsed }: ParsedDocument, expected: ManifestDocument['kind']): SealiftError {
  return new SealiftError('MANIFEST_INVALID', `${digest}: expected a document of kind ${expected}, got ${parsed.kind}`);
}

/**
 * Proves that the reference leads to the manifest: the pinned digest names the first document, and each index has an
 * entry for the next one. Every digest is computed here, none is taken from a header or from the caller.
 * Throws `MANIFEST_DIGEST_MISMATCH` and what `parseManifestDocument` throws.
 */
export function verifyDocuments(candidate: ImageCandidate, limits?: ManifestLimits): VerifiedImage {
  const reference = Object.freeze({ ...candidate.reference });
  try {
    const hashedIndexes = candidate.indexes.map(hashDocument);
    const hashedManifest = hashDocument(candidate.manifest);
    const [first = hashedManifest] = hashedIndexes;
    if (reference.digest !== undefined) requireName(first.names, reference.digest, 'reference');

    const indexes = hashedIndexes.map((document) => parse(document, limits));
    const last = parse(hashedManifest, limits);
    const manifest = requireManifest(last);
    for (const [position, index] of indexes.entries()) requireEntry(index, indexes[position + 1] ?? last);
    return {
      reference,
      manifest,
      manifestDigest: last.digest,
      rawManifest: last.bytes,
      indexDigest: indexes[0]?.digest,
      digests: [last, ...indexes].flatMap(({ names }) => [...names]),
      rawDocuments: [last, ...indexes].map(({ bytes }) => bytes),
    };
  } catch (error) {
    throw prefixError(`verify ${formatImageReference(reference)}`, error);
  }
}
