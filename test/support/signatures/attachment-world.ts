import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import { type Digest, hashBytes, parseReference } from '../../../src/oci/index.ts';
import { findSigstoreSignatures } from '../../../src/signature/search/find-sigstore-signatures.ts';
import { SignatureBudget } from '../../../src/signature/search/signature-budget.ts';
import type { Evidence, RawDocument, SignatureSource } from '../../../src/signature/types.ts';

export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
export const COSIGN_LAYER = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const COSIGN_ARTIFACT = 'application/vnd.dev.cosign.artifact.sig.v1+json';
export const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

export function describe(mediaType: string, bytes: Uint8Array, more: object = {}) {
  return { mediaType, digest: hashBytes(bytes), size: bytes.length, ...more };
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** A layer with a signature: its text and its annotations. */
export interface SignedLayer {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

export function bundle(text: string): SignedLayer {
  return { mediaType: BUNDLE_TYPE, bytes: Buffer.from(text) };
}

export function cosign(text: string): SignedLayer {
  return { mediaType: COSIGN_LAYER, bytes: Buffer.from(text), annotations: { signature: `of ${text}` } };
}

export interface Artifact {
  readonly layers: readonly SignedLayer[];
  readonly artifactType?: string;
  readonly configType?: string;
  readonly subject?: string;
}

export function artifactBytes({ layers, artifactType, configType = EMPTY_TYPE, subject }: Artifact): Buffer {
  return json({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    ...(artifactType === undefined ? {} : { artifactType }),
    config: describe(configType, Buffer.from('{}')),
    layers: layers.map(({ mediaType, bytes, annotations }) => describe(mediaType, bytes, { annotations })),
    ...(subject === undefined ? {} : { subject: { mediaType: MANIFEST_TYPE, digest: subject, size: 1 } }),
  });
}

export function listBytes(entries: readonly object[]): Buffer {
  return json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: entries });
}

export function entryOf(bytes: Uint8Array, artifactType?: string): object {
  return describe(MANIFEST_TYPE, bytes, artifactType === undefined ? {} : { artifactType });
}

type Answer = Buffer | Error;

/** An endpoint in memory: what is missing is not there, and an error is thrown. */
export class MemoryEndpoint implements SignatureSource {
  readonly name: string;
  readonly asked: string[] = [];
  readonly #manifests = new Map<string, Answer>();
  readonly #blobs = new Map<string, Answer>();
  readonly #pages = new Map<string, { readonly answer: Answer; readonly next: string | undefined }>();

  constructor(name = 'r.io/app') {
    this.name = name;
  }

  put(name: string, answer: Answer): void {
    this.#manifests.set(name, answer);
  }

  putBlob(digest: string, answer: Answer): void {
    this.#blobs.set(digest, answer);
  }

  /** Page of the list for a digest; the first one without a name. */
  putPage(digest: Digest, answer: Answer, { page = digest, next }: { page?: string; next?: string } = {}): void {
    this.#pages.set(page, { answer, next });
  }

  /** Stores an artifact with its layers, under its digest and a tag. */
  add(artifact: Artifact, tag?: string): Buffer {
    const bytes = artifactBytes(artifact);
    this.put(hashBytes(bytes), bytes);
    if (tag !== undefined) this.put(tag, bytes);
    for (const layer of artifact.layers) this.putBlob(hashBytes(layer.bytes), layer.bytes);
    return bytes;
  }

  async fetchManifest(tagOrDigest: string): Promise<RawDocument> {
    this.asked.push(tagOrDigest);
    const rawBytes = answered(this.#manifests.get(tagOrDigest), 'REGISTRY_MANIFEST_UNKNOWN');
    return { rawBytes, digest: hashBytes(rawBytes), contentType: '' };
  }

  async fetchSmallBlob({ digest, size }: { digest: string; size: number }, { maxBytes }: { maxBytes: number }) {
    if (size > maxBytes) {
      throw new SealiftError('SIGNATURE_LIMIT_EXCEEDED', 'too large', { context: { limit: 'maxSignatureBytes' } });
    }
    this.asked.push(digest);
    return answered(this.#blobs.get(digest), 'REGISTRY_BLOB_UNKNOWN');
  }

  async fetchSignatureList(): Promise<undefined> {
    throw new Error('not a search for simple signatures');
  }

  async fetchReferrers(digest: Digest, page: string = digest) {
    this.asked.push(`referrers ${page}`);
    const found = this.#pages.get(page);
    if (found === undefined) return undefined;
    return { rawBytes: answered(found.answer, 'REGISTRY_MANIFEST_UNKNOWN'), contentType: INDEX_TYPE, next: found.next };
  }
}

function answered(answer: Answer | undefined, missing: 'REGISTRY_MANIFEST_UNKNOWN' | 'REGISTRY_BLOB_UNKNOWN'): Buffer {
  if (answer === undefined) throw new SealiftError(missing, 'not there');
  if (answer instanceof Error) throw answer;
  return answer;
}

export interface Search {
  readonly sources: readonly SignatureSource[];
  readonly digests: readonly Digest[];
  readonly limits?: Partial<Limits>;
  readonly usesAttachments?: boolean;
  readonly signal?: AbortSignal;
}

/** Runs the whole search and returns what each step of it has. */
export async function searchAttachments({
  sources,
  digests,
  limits = {},
  ...more
}: Search): Promise<readonly Evidence[]> {
  const all = { ...DEFAULT_LIMITS, ...limits };
  const { usesAttachments = true, signal = new AbortController().signal } = more;
  const steps = findSigstoreSignatures({
    ...{ reference: parseReference('r.io/app:1'), digests, sources, signal },
    openLookaside: async () => undefined,
    usesAttachments: async () => usesAttachments,
    limits: all,
    budget: new SignatureBudget(all),
  });
  const found: Evidence[] = [];
  for await (const step of steps) found.push(step);
  return found;
}

export function textsOf(found: readonly Evidence[]): readonly string[] {
  return found.flatMap(({ signatures }) => signatures.map(({ rawBytes }) => Buffer.from(rawBytes).toString()));
}

export function failuresOf(found: readonly Evidence[]) {
  return found.flatMap(({ failures }) => failures);
}

export function codesOf(found: readonly Evidence[]): readonly string[] {
  return failuresOf(found).map(({ error }) => error.code);
}
