import { SealiftError } from '../../errors/index.ts';
import { limitExceeded } from '../../limits/index.ts';
import {
  type ArtifactManifest,
  type Digest,
  digestAlgorithm,
  hashBytes,
  isDigest,
  isImageConfigType,
  type ListedReferrer,
  manifestKind,
  parseArtifactManifest,
  parseReferrerList,
  referrersTag,
} from '../../oci/index.ts';
import { printable } from '../signed-content/index.ts';
import type { Evidence, ReferrersPage } from '../types.ts';
import { type AttachmentSearch, fetchTagged } from './attachment-search.ts';
import { failedSearch, joinEvidence, NO_EVIDENCE } from './evidence.ts';
import { isEnd, readInBatches } from './read-in-batches.ts';
import { COSIGN_SIGNATURE, isBundleType, readSignatureLayers } from './read-signature-layers.ts';

/** The type of a manifest with cosign's own layers that refers to the image. */
const COSIGN_ARTIFACT = 'application/vnd.dev.cosign.artifact.sig.v1+json';
/**
 * Types in lists that say nothing. Older versions of cosign wrote the type of an empty config, or none.
 * https://github.com/sigstore/cosign/issues/4641
 */
const OPEN_TYPES: ReadonlySet<string> = new Set([
  '',
  'application/vnd.oci.empty.v1+json',
  'application/vnd.unknown.config.v1+json',
]);

/** How much of a text that is no digest is shown. */
const MAX_SHOWN = 80;

interface Candidate {
  readonly digest: Digest;
  readonly origin: string;
}

/**
 * Looks for signatures in manifests that refer to `subject`: in the list of the registry, or in the one that clients keep
 * under a tag where the registry has none.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
 */
export async function findReferringSignatures(subject: Digest, search: AttachmentSearch): Promise<Evidence> {
  const { source, signal } = search;
  const origin = listName(subject, search);
  let known = NO_EVIDENCE;
  try {
    for await (const page of readPages(subject, search)) {
      known = joinEvidence([known, await readPage(page, subject, search)]);
      if (isEnd(known)) return known;
    }
  } catch (error) {
    return joinEvidence([known, failedSearch(origin, error, signal)]);
  }
  const isEmpty = known.signatures.length === 0 && known.failures.length === 0;
  return isEmpty ? { ...NO_EVIDENCE, remarks: [`no signature refers to ${source.name}@${subject}`] } : known;
}

function listName(subject: Digest, { source }: Pick<AttachmentSearch, 'source'>): string {
  return `what refers to ${source.name}@${subject}`;
}

/** Yields each page. Throws `SIGNATURE_LIMIT_EXCEEDED` when there are too many. */
async function* readPages(subject: Digest, search: AttachmentSearch): AsyncGenerator<ReferrersPage, void> {
  const { source, signal } = search;
  const { maxReferrerPages: expected } = search.limits;
  const seen = new Set<string>();
  let page = await fetchFirstPage(subject, search);
  while (page !== undefined) {
    yield page;
    const { next } = page;
    if (next === undefined) return;
    const name = `pages of ${listName(subject, search)}`;
    if (seen.has(next)) throw new SealiftError('HTTP_RESPONSE_INVALID', `${name}: one is its own successor`);
    seen.add(next);
    if (seen.size >= expected) throw limitExceeded(name, { limit: 'maxReferrerPages', expected, actual: 'more' });
    page = await source.fetchReferrers(subject, next, signal);
  }
}

/**
 * Returns the list of the registry, else the one under the tag; undefined when the registry says that it has neither.
 * Throws when it has refused to say so, in a way that does not tell whether it has lists, and there is none under the tag.
 */
async function fetchFirstPage(subject: Digest, search: AttachmentSearch): Promise<ReferrersPage | undefined> {
  const { source, signal } = search;
  try {
    const page = await source.fetchReferrers(subject, undefined, signal);
    if (page !== undefined) return page;
  } catch (error) {
    const isRefusal = error instanceof SealiftError && error.code === 'HTTP_STATUS_UNEXPECTED';
    const page = isRefusal ? await fetchTaggedList(subject, search) : undefined;
    if (page === undefined) throw error;
    return page;
  }
  return fetchTaggedList(subject, search);
}

/**
 * Returns the list under the tag; undefined when there is none. Some registries answer the tag with the subject itself,
 * which is no list: the manifests in it are the platforms of an image. https://github.com/oras-project/oras-go/issues/1396
 */
async function fetchTaggedList(subject: Digest, search: AttachmentSearch): Promise<ReferrersPage | undefined> {
  const document = await fetchTagged(referrersTag(subject), search);
  if (document === undefined || hashBytes(document.rawBytes, digestAlgorithm(subject)) === subject) return undefined;
  const { rawBytes, contentType } = document;
  return { rawBytes, contentType, next: undefined };
}

async function readPage(page: ReferrersPage, subject: Digest, search: AttachmentSearch): Promise<Evidence> {
  const { source, budget, signal } = search;
  const { candidates, failures } = selectCandidates(page, subject, search);
  const read = await readInBatches(candidates, {
    admit: ({ digest, origin }) => {
      if (source.isLocal !== true) budget.takeReferrer(digest, origin);
    },
    read: (candidate) => readReferrer(candidate, subject, search),
    signal,
  });
  return joinEvidence([{ ...NO_EVIDENCE, failures }, read]);
}

interface Selection {
  readonly candidates: readonly Candidate[];
  /** At most one, for all entries that name no manifest. */
  readonly failures: Evidence['failures'];
}

/** Selects what is worth fetching; of requests, one more than there may be is enough to show that there are too many. */
function selectCandidates(
  { rawBytes, contentType }: ReferrersPage,
  subject: Digest,
  search: AttachmentSearch,
): Selection {
  const { source, limits, budget, known } = search;
  const candidates = new Map<Digest, Candidate>();
  let failures: Evidence['failures'] = [];
  for (const entry of parseReferrerList(rawBytes, contentType, limits)) {
    if (!isCandidate(entry)) continue;
    const { unsafeDigest } = entry;
    if (isDigest(unsafeDigest)) {
      const candidate = { digest: unsafeDigest, origin: `${source.name}@${unsafeDigest}` };
      if (!known.referring.has(unsafeDigest)) candidates.set(unsafeDigest, candidate);
    } else if (failures.length === 0) {
      const message = `entry: expected a digest, got "${printable(unsafeDigest.slice(0, MAX_SHOWN))}"`;
      failures = [{ origin: listName(subject, search), error: new SealiftError('DIGEST_INVALID', message) }];
    }
    if (source.isLocal !== true && candidates.size > budget.maxReferrers) break;
  }
  return { candidates: [...candidates.values()], failures };
}

/** A list only says which manifests are worth fetching. */
function isCandidate({ mediaType, artifactType }: ListedReferrer): boolean {
  const isOpen = OPEN_TYPES.has(artifactType) || isImageConfigType(artifactType);
  return (isOpen || isSignatureType(artifactType)) && (mediaType === '' || manifestKind(mediaType) === 'manifest');
}

function isSignatureType(artifactType: string): boolean {
  return artifactType === COSIGN_ARTIFACT || isBundleType(artifactType);
}

async function readReferrer(
  { digest, origin }: Candidate,
  subject: Digest,
  search: AttachmentSearch,
): Promise<Evidence> {
  const { source, limits, known, budget, signal } = search;
  try {
    const { rawBytes, contentType } = await source.fetchManifest(digest, signal);
    const manifest = parseArtifactManifest(rawBytes, contentType, limits);
    if (manifest === undefined || manifest.subject !== subject) return NO_EVIDENCE;
    budget.takeReferrer(digest, origin);
    const layers = signatureLayers(manifest);
    const found = await readSignatureLayers(layers, origin, search);
    if (layers.length > 0 && found.failures.length === 0) known.referring.add(digest);
    return found;
  } catch (error) {
    return failedSearch(origin, error, signal);
  }
}

/** What the manifest says of itself counts, whatever the list said. */
function signatureLayers({ artifactType, layers }: ArtifactManifest): ArtifactManifest['layers'] {
  if (artifactType === COSIGN_ARTIFACT) return layers.filter(({ mediaType }) => mediaType === COSIGN_SIGNATURE);
  return isBundleType(artifactType) ? layers.filter(({ mediaType }) => isBundleType(mediaType)) : [];
}
