import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Descriptor, hashBytes, parseReference } from '../../../src/oci/index.ts';
import { type AuthorizedImage, authoriseImage, createKeyLoader, gatherEvidence } from '../../../src/signature/index.ts';
import { parsePolicy, type Requirement } from '../../../src/signature/policy/index.ts';
import { REQUIREMENT_KINDS, type RequirementKinds } from '../../../src/signature/requirement-kinds.ts';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import type {
  EvaluationContext,
  Evidence,
  PolicyVerdict,
  RawDocument,
  SignatureSearch,
  SignatureSource,
} from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { memoryLoader } from '../../support/resources/memory-loader.ts';
import { INLINE_VERIFIER } from '../../support/signatures/simple-signatures.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

function document(value: unknown): RawDocument {
  const rawBytes = Buffer.from(JSON.stringify(value));
  return { rawBytes, digest: hashBytes(rawBytes), contentType: OCI_MANIFEST };
}

function descriptor(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: hashBytes(bytes), size: bytes.length, annotations: {}, platform: undefined };
}

const CONFIG = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: hashBytes('{}'), size: 2 };
const MANIFEST = document({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: CONFIG, layers: [] });
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const TRUSTED_KEY = publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** A scheme of its own, which signs the bytes of the manifest: the signature is the blob under the tag `HEX.sig`. */
async function* find({ digests, sources: [source], signal }: SignatureSearch): AsyncGenerator<Evidence> {
  if (source === undefined) return;
  const [digest = ''] = digests;
  const { rawBytes } = await source.fetchManifest(`${digest.replace(':', '-')}.sig`, signal);
  const entry = descriptor('application/x-signature', rawBytes);
  const bound = { maxBytes: 100, limit: 'maxManifestBytes', what: 'signature' } as const;
  const signature = await source.fetchSmallBlob(entry, bound, signal);
  const signatures = [{ rawBytes: signature, mediaType: entry.mediaType, annotations: {}, origin: 'tag' }];
  yield { ...NO_EVIDENCE, signatures };
}

async function evaluate(
  { keys }: Requirement<'signedBy'>,
  { image, evidence, keys: loader }: EvaluationContext,
): Promise<PolicyVerdict> {
  const trusted = await loader.load(keys);
  const isSigned = evidence.signatures.some(({ rawBytes }) =>
    trusted.some((key) => verify(null, image.rawManifest, { key: Buffer.from(key), format: 'pem' }, rawBytes)),
  );
  if (isSigned) return { kind: 'accept', basis: 'signature' };
  return { kind: 'deny', reason: `none of ${evidence.signatures.length} signatures is by a trusted key` };
}

const KINDS: RequirementKinds = { ...REQUIREMENT_KINDS, signedBy: { find, evaluate } };

const ACCEPT = { type: 'insecureAcceptAnything' };
const REJECT = { type: 'reject' };
const SIGNED_BY = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/trusted.pem' };

/** Does what a pull does between the name and the gate, with a source that serves one signature. */
async function authorise(
  requirements: readonly unknown[],
  { key = privateKey, kinds = KINDS, reference = 'r.io/app:t', asked = [] }: GateOfTest = {},
): Promise<AuthorizedImage> {
  const signature = sign(null, MANIFEST.rawBytes, key);
  const source: SignatureSource = {
    name: 'r.io/app',
    fetchSignatureList: async () => undefined,
    fetchReferrers: async () => undefined,
    fetchManifest: async (tag) => {
      asked.push(tag);
      return { rawBytes: signature, digest: hashBytes(signature), contentType: '' };
    },
    fetchSmallBlob: async ({ mediaType }) => {
      asked.push(mediaType);
      return signature;
    },
  };
  const policy = parsePolicy(JSON.stringify({ default: requirements }));
  const candidate = { reference: parseReference(reference), indexes: [], manifest: MANIFEST };
  const { signal } = new AbortController();
  const { reference: logical } = candidate;
  const openLookaside = async () => undefined;
  const usesAttachments = async () => true;
  const search = {
    reference: logical,
    digests: [MANIFEST.digest],
    sources: [source],
    openLookaside,
    usesAttachments,
    signal,
  };
  const evidence = gatherEvidence(search, { policy, limits: DEFAULT_LIMITS, kinds });
  const keys = createKeyLoader({ resources: memoryLoader({ '/trusted.pem': TRUSTED_KEY }), limits: DEFAULT_LIMITS });
  return authoriseImage(policy, candidate, { evidence, keys, verifier: INLINE_VERIFIER, kinds, signal });
}

interface GateOfTest {
  readonly key?: KeyObject;
  readonly kinds?: RequirementKinds;
  readonly reference?: string;
  /** Receives what the source is asked for. */
  readonly asked?: string[];
}

const TAG = `${MANIFEST.digest.replace(':', '-')}.sig`;

describe('a requirement that looks at signatures', () => {
  it('gets the image, the signatures found for it and the keys that the policy names, and says what it verified', async () => {
    const asked: string[] = [];
    const image = await authorise([SIGNED_BY], { asked });
    expect([image.basis, image.proof]).toEqual(['signature', 'signature']);
    expect(asked).toEqual([TAG, 'application/x-signature']);
  });

  it('takes keys out of the policy itself', async () => {
    const keyData = Buffer.from(TRUSTED_KEY).toString('base64');
    const image = await authorise([{ type: 'signedBy', keyType: 'GPGKeys', keyData }]);
    expect(image.basis).toBe('signature');
  });

  it('denies an image with a signature by another key', async () => {
    const { privateKey: key } = generateKeyPairSync('ed25519');
    const error = await expectFailure('POLICY_DENIED', () => authorise([SIGNED_BY], { key }));
    expect(error.message).toContain('none of 1 signatures is by a trusted key');
  });

  it('fails with the policy when a key cannot be read', async () => {
    const missing = { ...SIGNED_BY, keyPath: '/missing.pem' };
    const error = await expectFailure('POLICY_INVALID', () => authorise([missing]));
    expect(error.message).toBe('load key /missing.pem: cannot be read');
  });

  it('proves the image beside a requirement that proves nothing', async () => {
    for (const requirements of [
      [ACCEPT, SIGNED_BY],
      [SIGNED_BY, ACCEPT],
    ]) {
      const asked: string[] = [];
      const image = await authorise(requirements, { asked });
      expect(image.basis).toBe('signature');
      expect(asked).toContain(TAG);
    }
  });

  it('searches once for two requirements of one kind', async () => {
    const asked: string[] = [];
    await authorise([SIGNED_BY, SIGNED_BY], { asked });
    expect(asked).toEqual([TAG, 'application/x-signature']);
  });

  it.each([
    ['before', [REJECT, SIGNED_BY]],
    ['after', [SIGNED_BY, REJECT]],
  ])('is not searched for with a "reject" %s it', async (_, requirements) => {
    const asked: string[] = [];
    const error = await expectFailure('POLICY_DENIED', () => authorise(requirements, { asked }));
    expect(error.message).toContain('requirement "reject" lets no image run');
    expect(asked).toEqual([]);
  });
});

describe('without a requirement that looks at signatures', () => {
  it.each([
    ['r.io/app:t', 'none'],
    [`r.io/app@${MANIFEST.digest}`, 'digest'],
    [`r.io/app:t@${MANIFEST.digest}`, 'digest'],
  ])('nothing is fetched, and the proof of %s is: %s', async (reference, proof) => {
    const asked: string[] = [];
    const image = await authorise([ACCEPT], { reference, asked });
    expect([image.basis, image.proof]).toEqual(['policy', proof]);
    expect(asked).toEqual([]);
  });

  it.each([{ type: 'signedBy', keyType: 'X509Certificates', keyPath: '/k' }])(
    'that is what this version makes of %o',
    async (requirement) => {
      const asked: string[] = [];
      await expectFailure('POLICY_REQUIREMENT_UNSUPPORTED', () =>
        authorise([requirement], { kinds: REQUIREMENT_KINDS, asked }),
      );
      expect(asked).toEqual([]);
    },
  );
});
