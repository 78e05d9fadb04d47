import { prefixError } from '../errors/index.ts';
import {
  type Descriptor,
  type Digest,
  hashBytes,
  type ImageConfig,
  layerCompression,
  parseImageConfig,
  settlePlatform,
} from '../oci/index.ts';
import type { FetchedDocument } from '../registry/index.ts';
import {
  type AuthorizedImage,
  authoriseImage,
  type GateReport,
  gatherEvidence,
  type SignatureLocations,
  signaturesToKeep,
} from '../signature/index.ts';
import { recordWithRoom } from './make-room.ts';
import type { ImageBytes, NamedImage } from './named-image.ts';
import { type LayerPlan, planLayers } from './plan-layers.ts';
import type { GatePorts } from './ports.ts';
import type { PullContext } from './pull-context.ts';
import { reportVerdict } from './report-verdict.ts';
import { type ResolvedImage, resolveImage } from './resolve-image.ts';
import { configBound, verifySize } from './verify-size.ts';

/** An image that may run, with everything but its layers. */
export interface PreparedImage {
  readonly image: AuthorizedImage;
  /** Digests of the indexes that led to the manifest, outermost first. */
  readonly via: readonly Digest[];
  readonly config: ImageConfig;
  /** Bottom to top; every media type is one that can be unpacked. */
  readonly layers: readonly LayerPlan[];
  readonly source: ImageBytes;
  /** What deserves attention in the documents. */
  readonly warnings: readonly string[];
}

/**
 * Goes from the name that the user wrote to an authorised manifest and its verified config. No layer byte has been asked
 * for when this returns, and nothing is written to the store before the policy has accepted the image.
 */
export async function prepareImage(named: NamedImage, context: PullContext): Promise<PreparedImage> {
  const { reference, source, assertTransport } = named;
  const { ports, storage, signal } = context;
  const { limits, platform, onProgress, checkpoint } = ports;
  onProgress({ type: 'stage', stage: 'resolve' });
  const resolved = await resolveImage({ source, reference, platform, limits, documents: storage?.store, signal });
  checkpoint('image-resolved');
  onProgress({ type: 'stage', stage: 'authorize' });
  const image = await reportVerdict(ports, (onJudged) =>
    authorise(resolved, named, { ports, storage, signal, onJudged }),
  );
  assertTransport(image);
  checkpoint('image-authorised');
  // Checked before the config is read, since a signature or another artifact need not have an image config.
  for (const { mediaType } of image.manifest.layers) layerCompression(mediaType);
  await keepDocuments(resolved, image, context);
  const untrustedConfig = await obtainConfig(image.manifest.config, source, context);
  checkpoint('documents-kept');
  const { config, warning } = settlePlatform(untrustedConfig, platform, resolved.listedPlatform);
  const via = resolved.indexes.map(({ digest }) => digest);
  const warnings = warning === undefined ? [] : [warning];
  return { image, via, config, layers: planLayers(image.manifest, config), source, warnings };
}

export interface AuthoriseContext extends Pick<PullContext, 'storage'> {
  readonly ports: GatePorts;
  readonly signal: AbortSignal;
  /** See {@link authoriseImage}. */
  readonly onJudged: (report: GateReport) => void;
  /** True: every location is searched and every signature is verified, also when one is good. The verdict is the same. */
  readonly examinesAll?: boolean;
}

/** Asks the policy about the logical name, the documents and the signatures that it looks at. */
export async function authorise(
  { indexes, manifest }: ResolvedImage,
  { reference, signatureSources }: NamedImage,
  { ports, storage, signal, onJudged, examinesAll = false }: AuthoriseContext,
): Promise<AuthorizedImage> {
  const { policy, keys, verifier, limits, locateSignatures } = ports;
  const digests = [manifest, ...indexes].flatMap(digestsOf);
  let locations: Promise<SignatureLocations> | undefined;
  const locate = () => {
    locations ??= locateSignatures(reference, signal);
    return locations;
  };
  const search = {
    reference,
    digests,
    sources: signatureSources(),
    openLookaside: async () => (await locate()).lookaside,
    usesAttachments: async () => (await locate()).usesAttachments,
    signal,
  };
  const readKept = () => storage?.store.getSignatures(manifest.digest) ?? [];
  const gathered = gatherEvidence(search, { policy, limits, readKept });
  const evidence = examinesAll ? await lastOf(gathered) : gathered;
  const gate = { evidence, keys, verifier, limits, signal, onJudged, examinesAll };
  return authoriseImage(policy, { reference, indexes, manifest }, gate);
}

/** Returns all evidence at once: each value of the search contains those before it. */
async function lastOf<Value>(values: AsyncIterable<Value>): Promise<readonly Value[]> {
  let last: readonly Value[] = [];
  for await (const value of values) last = [value];
  return last;
}

/** Stores name an image by SHA-256, also one that is pinned by another digest. */
function digestsOf({ digest, rawBytes }: FetchedDocument): readonly Digest[] {
  return [...new Set([hashBytes(rawBytes), digest])];
}

/**
 * Keeps the documents of an image, and what satisfied the policy, so that it can start again without its registry. Holds
 * each document before it is written, so that it cannot be removed in between.
 */
async function keepDocuments(
  { indexes, manifest }: ResolvedImage,
  image: AuthorizedImage,
  context: PullContext,
): Promise<void> {
  const { storage, signal } = context;
  if (storage === undefined) return;
  const documents = [...indexes, manifest];
  for (const digest of [...documents.map((document) => document.digest), image.manifest.config.digest]) {
    await storage.lease.hold(digest, signal);
  }
  await recordWithRoom({ ...context, storage }, () => {
    for (const { digest, rawBytes } of documents) storage.store.putManifest(digest, rawBytes);
    const signatures = signaturesToKeep(image.signatures, () => storage.store.getSignatures(image.manifestDigest));
    if (signatures !== undefined) storage.store.putSignatures(image.manifestDigest, signatures);
  });
}

async function obtainConfig(descriptor: Descriptor, source: ImageBytes, context: PullContext): Promise<ImageConfig> {
  const {
    ports: { limits },
    storage,
    signal,
  } = context;
  const known = storage?.store.getConfig(descriptor.digest);
  const bound = configBound(limits);
  const rawConfig = known ?? (await source.fetchSmallBlob(descriptor, bound, signal));
  verifySize(descriptor, rawConfig, bound);
  try {
    const config = parseImageConfig(rawConfig, limits.maxJsonDepth);
    if (known === undefined && storage !== undefined) {
      await recordWithRoom({ ...context, storage }, () => storage.store.putConfig(descriptor.digest, rawConfig));
    }
    return config;
  } catch (error) {
    throw prefixError(descriptor.digest, error);
  }
}
