import { readFileSync } from 'node:fs';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Digest, hashBytes } from '../../../src/oci/index.ts';
import type { SigstoreSignatureRequest, SigstoreVerdict } from '../../../src/signature/sigstore/index.ts';
import { verifySigstoreSignature } from '../../../src/signature/sigstore/index.ts';

/** The layer of a manifest that cosign pushed. */
export interface Attachment {
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly content: string;
}

/** A repository that cosign 3.1.3 pushed signatures to; see testdata/sigstore. */
export interface RecordedRepository {
  /** The name with which it was signed. */
  readonly repository: string;
  /** In the order in which a registry takes them. The image has the tag `1.0`. */
  readonly manifests: readonly RecordedManifest[];
  /** By digest; binary ones in base64, behind `base64:`. */
  readonly blobs: Readonly<Record<string, string>>;
}

interface RecordedManifest {
  /** A tag or a digest. */
  readonly reference: string;
  readonly mediaType: string;
  readonly content: string;
}

/** An image and what cosign pushed for it. */
export interface SignedImage {
  readonly repository: string;
  /** The manifest, or the index. */
  readonly document: string;
  /** The manifests of an index. */
  readonly platforms: readonly string[];
  /** By the digest of what they are for. */
  readonly attachments: Readonly<Record<string, readonly Attachment[]>>;
}

interface ParsedManifest {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly layers?: readonly (Omit<Attachment, 'content'> & { readonly digest: string })[];
  readonly subject?: { readonly digest: string };
}

function readVectors<Vector>(name: string): Readonly<Record<string, Vector>> {
  return JSON.parse(readFileSync(new URL(`../../../testdata/sigstore/${name}.json`, import.meta.url), 'utf8'));
}

const RECORDED: Readonly<Record<string, RecordedRepository>> = {
  ...readVectors<RecordedRepository>('payload-images'),
  ...readVectors<RecordedRepository>('bundle-images'),
  ...readVectors<RecordedRepository>('attestation-images'),
};
const KEYS: Readonly<Record<string, string>> = {
  ...readVectors<string>('keys'),
  ...readVectors<string>('authorities'),
  'trusted-root': JSON.stringify(readVectors('trusted-root')),
};

export function recordedRepository(name: string): RecordedRepository {
  const recorded = RECORDED[name];
  if (recorded === undefined) throw new Error(`testdata/sigstore has no image "${name}"`);
  return recorded;
}

export function signedImage(name: string): SignedImage {
  const { repository, manifests, blobs } = recordedRepository(name);
  const parsed = manifests.map((manifest) => ({ ...manifest, ...(JSON.parse(manifest.content) as ParsedManifest) }));
  const image = parsed.find(({ reference }) => reference === '1.0');
  if (image === undefined) throw new Error(`${name} has no tag 1.0`);
  const children = new Set(image.manifests?.map(({ digest }) => digest));
  const attachments: Record<string, Attachment[]> = {};
  for (const { reference, layers = [], subject } of parsed) {
    const tagged = /^sha256-([0-9a-f]{64})\.sig$/.exec(reference)?.[1];
    const signed = subject?.digest ?? (tagged === undefined ? undefined : `sha256:${tagged}`);
    if (signed === undefined) continue;
    const found = layers.map(({ mediaType, annotations = {}, digest }) => {
      return { mediaType, annotations, content: blobs[digest] ?? '' };
    });
    attachments[signed] = [...(attachments[signed] ?? []), ...found];
  }
  return {
    repository,
    document: image.content,
    platforms: parsed.filter(({ reference }) => children.has(reference)).map(({ content }) => content),
    attachments,
  };
}

/** The one attachment of an image, or of its index. */
export function attachmentOf({ document, attachments }: SignedImage): Attachment {
  const [attachment] = attachments[hashBytes(Buffer.from(document))] ?? [];
  if (attachment === undefined) throw new Error('the image has no attachment');
  return attachment;
}

/** A public key or the certificate of an authority in PEM, or the text of `trusted-root`. */
export function publicKey(name: string): string {
  const key = KEYS[name];
  if (key === undefined) throw new Error(`testdata/sigstore has no key "${name}"`);
  return key;
}

/** Each digest by which a document may be named. */
export function digestsOf(document: string): readonly Digest[] {
  const bytes = Buffer.from(document);
  return [hashBytes(bytes, 'sha256'), hashBytes(bytes, 'sha512')];
}

/** An hour after the images were signed: the certificates of those without a key have expired. */
export const RECORDED_AT = Date.UTC(2026, 10, 30, 23, 45);

export interface JudgedAttachment extends Partial<Omit<SigstoreSignatureRequest, 'logKeys'>> {
  /** The name of a vector. */
  readonly image?: string;
  /** In place of the image's own. */
  readonly attachment?: Attachment;
  /** Names of vectors, or PEM. What has to have made the signature, unless there is an `author`. */
  readonly keys?: readonly string[];
  readonly logKeys?: readonly string[] | undefined;
}

/** Each of these files, by the name of a vector or as PEM. */
export const namedFiles = (keys: readonly string[]) =>
  keys.map((key, position) => {
    const text = key.includes('\n') ? key : publicKey(key);
    return { name: `/keys/${position + 1}`, rawBytes: Buffer.from(text) };
  });

/** Judges the attachment of an image under its own name: a repository for payloads, a digest for bundles. */
export function judgeAttachment({
  image: name = 'legacy-p256',
  attachment = attachmentOf(signedImage(name)),
  keys = ['p256'],
  logKeys,
  ...others
}: JudgedAttachment = {}): SigstoreVerdict {
  const { repository, document } = signedImage(name);
  const { mediaType, annotations, content } = attachment;
  return verifySigstoreSignature({
    mediaType,
    annotations,
    rawBytes: Buffer.from(content),
    author: { kind: 'keys', keys: namedFiles(keys) },
    logKeys: logKeys === undefined ? undefined : namedFiles(logKeys),
    trustedRoot: undefined,
    nowMs: RECORDED_AT,
    identity: mediaType.includes('simplesigning') ? { type: 'matchRepository' } : { type: 'digestOnly' },
    imageReference: `${repository}:1.0`,
    digests: digestsOf(document),
    documents: [Buffer.from(document)],
    predicateTypes: [],
    limits: DEFAULT_LIMITS,
    ...others,
  });
}

/** Returns `accepted`, or the reason of the refusal. */
export function attachmentVerdict(judged?: JudgedAttachment): string {
  const verdict = judgeAttachment(judged);
  return verdict.kind === 'accepted' ? verdict.kind : verdict.reason;
}
