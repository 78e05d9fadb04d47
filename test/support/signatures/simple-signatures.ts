import { readFileSync } from 'node:fs';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Digest, hashBytes } from '../../../src/oci/index.ts';
import { examineKeys } from '../../../src/signature/checks/examine-keys.ts';
import { verifySigstoreSignature } from '../../../src/signature/sigstore/index.ts';
import type { SimpleSignatureRequest, SimpleSignatureVerdict } from '../../../src/signature/simple-signing/types.ts';
import { verifySimpleSignature } from '../../../src/signature/simple-signing/verify-simple-signature.ts';
import type { KeyExaminer, RawDocument, SignatureVerifier } from '../../../src/signature/types.ts';
import { RECORDED_AT } from './sigstore-signatures.ts';

function readVectors(name: string): Readonly<Record<string, string>> {
  const url = new URL(`../../../testdata/simple-signing/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8'));
}

const VECTORS = { keys: readVectors('keys'), signatures: readVectors('signatures') };

function readManifest(): RawDocument {
  const rawBytes = readFileSync(new URL('../../../testdata/simple-signing/manifest.json', import.meta.url));
  return { rawBytes, digest: hashBytes(rawBytes), contentType: 'application/vnd.oci.image.manifest.v1+json' };
}

function vector(kind: keyof typeof VECTORS, name: string): Buffer {
  const encoded = VECTORS[kind][name];
  if (encoded === undefined) throw new Error(`testdata/simple-signing/${kind}.json has no "${name}"`);
  return Buffer.from(encoded, 'base64');
}

/** A public key, or several, as gpg or sq exported it; see testdata/simple-signing. */
export const signingKey = (name: string): Buffer => vector('keys', name);
/** A signature, as gpg or sq made it. */
export const simpleSignature = (name: string): Buffer => vector('signatures', name);

/** What the signatures are for. */
export const SIGNED_REFERENCE = 'registry.example/team/app:1';
export const SIGNED_MANIFEST: RawDocument = readManifest();
export const SIGNED_DIGEST: Digest = SIGNED_MANIFEST.digest;
/** The signatures were made on 2026-02-01. */
export const CHECKED_AT = Date.parse('2026-04-01T00:00:00Z');

export interface JudgedSignature extends Partial<Omit<SimpleSignatureRequest, 'keyRings'>> {
  /** The name of a vector, or bytes. */
  readonly signature?: string | Uint8Array;
  /** Each is a file. */
  readonly keys?: readonly (string | Uint8Array)[];
}

/** Judges a signature of {@link SIGNED_DIGEST} with the default rule for names, two months after it was made. */
export function judgeSignature({
  signature = 'ed25519',
  keys = ['ed25519'],
  ...others
}: JudgedSignature = {}): Promise<SimpleSignatureVerdict> {
  return verifySimpleSignature({
    rawSignature: typeof signature === 'string' ? simpleSignature(signature) : signature,
    keyRings: keys.map((key, position) => {
      return { name: `/keys/${position + 1}`, rawBytes: typeof key === 'string' ? signingKey(key) : key };
    }),
    nowMs: CHECKED_AT,
    identity: { type: 'matchRepoDigestOrExact' },
    imageReference: SIGNED_REFERENCE,
    digests: [SIGNED_DIGEST],
    limits: DEFAULT_LIMITS,
    ...others,
  });
}

/** Returns `accepted`, or the reason of the refusal. */
export async function verdictOf(judged?: JudgedSignature): Promise<string> {
  const verdict = await judgeSignature(judged);
  return verdict.kind === 'accepted' ? verdict.kind : verdict.reason;
}

/** Verifies in the thread of the test, as of {@link CHECKED_AT}. */
export const INLINE_VERIFIER: SignatureVerifier & KeyExaminer = {
  verifySimpleSignature: (check) => verifySimpleSignature({ ...check, nowMs: CHECKED_AT, limits: DEFAULT_LIMITS }),
  verifySigstoreSignature: async (check) =>
    verifySigstoreSignature({ ...check, nowMs: RECORDED_AT, limits: DEFAULT_LIMITS }),
  examineKeys: (examination) => examineKeys({ ...examination, nowMs: CHECKED_AT, limits: DEFAULT_LIMITS }),
};
