import { describe, expect, it } from 'vitest';
import { type Digest, formatImageReference, hashBytes, parseReference } from '../../../src/oci/index.ts';
import { type AuthorizedImage, assertAuthorized } from '../../../src/signature/index.ts';
import { parsePolicy } from '../../../src/signature/policy/index.ts';
import type { ImageCandidate, RawDocument } from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { authoriseUnsigned } from '../../support/signatures/gate.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

function document(value: unknown, contentType: string): RawDocument {
  const rawBytes = Buffer.from(JSON.stringify(value));
  return { rawBytes, digest: hashBytes(rawBytes), contentType };
}

const MANIFEST = document(
  {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: hashBytes('config'), size: 6 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: hashBytes('layer'), size: 5 }],
  },
  OCI_MANIFEST,
);

const OTHER_MANIFEST = document({ ...JSON.parse(String(MANIFEST.rawBytes)), layers: [] }, OCI_MANIFEST);

function indexOf(child: RawDocument, change: Readonly<Record<string, unknown>> = {}): RawDocument {
  const entry = { mediaType: child.contentType, digest: child.digest, size: child.rawBytes.length, ...change };
  return document({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] }, OCI_INDEX);
}

const INDEX = indexOf(MANIFEST);
const OUTER_INDEX = indexOf(INDEX);

const byName = (reference: string, manifest = MANIFEST, ...indexes: RawDocument[]): ImageCandidate => ({
  reference: parseReference(reference),
  indexes,
  manifest,
});

const ACCEPT = { type: 'insecureAcceptAnything' };
const REJECT = { type: 'reject' };
const SIGNED_BY = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' };
const SIGSTORE = { type: 'sigstoreSigned', keyPath: '/k' };
const BY_CERTIFICATE = { type: 'sigstoreSigned', pki: { caRootsPath: '/ca', subjectEmail: 'a@b' } };
const BY_X509_KEY = { type: 'signedBy', keyType: 'X509Certificates', keyPath: '/k' };

const policy = (fallback: readonly unknown[], docker: Readonly<Record<string, unknown>> = {}) =>
  parsePolicy(JSON.stringify({ default: fallback, transports: { docker } }));

describe('authoriseImage', () => {
  describe('without a policy', () => {
    it('lets an image run whose manifest is pinned by digest', async () => {
      const image = await authoriseUnsigned(undefined, byName(`r.io/app@${MANIFEST.digest}`));
      expect(image.basis).toBe('digest-pin');
      expect(image.manifestDigest).toBe(MANIFEST.digest);
      expect(image.indexDigest).toBeUndefined();
    });

    it('lets an image run whose index is pinned by digest', async () => {
      const image = await authoriseUnsigned(undefined, byName(`r.io/app@${INDEX.digest}`, MANIFEST, INDEX));
      expect(image.basis).toBe('digest-pin');
      expect(image.manifestDigest).toBe(MANIFEST.digest);
      expect(image.indexDigest).toBe(INDEX.digest);
    });

    it('lets a pinned image run that has a tag as well', async () => {
      expect((await authoriseUnsigned(undefined, byName(`r.io/app:t@${MANIFEST.digest}`))).basis).toBe('digest-pin');
    });

    it.each(['r.io/app:t', 'r.io/app'])('refuses %s, and says what to do', async (reference) => {
      const error = await expectFailure('POLICY_TAG_UNPINNED', () => authoriseUnsigned(undefined, byName(reference)));
      expect(error.hint).toContain('--policy');
      expect(error.context['actual']).toBe(MANIFEST.digest);
    });
  });

  it('lets a tag run when anything is accepted on purpose', async () => {
    expect((await authoriseUnsigned('insecure-accept-anything', byName('r.io/app:t'))).basis).toBe('insecure-policy');
  });

  describe('with a policy', () => {
    it('lets an image run that every requirement accepts', async () => {
      const image = await authoriseUnsigned(policy([REJECT], { 'r.io/app': [ACCEPT, ACCEPT] }), byName('r.io/app:t'));
      expect(image.basis).toBe('policy');
      expect(formatImageReference(image.reference)).toBe('r.io/app:t');
      expect(image.manifest.layers.map(({ digest }) => digest)).toEqual([hashBytes('layer')]);
      expect(Buffer.from(image.rawManifest)).toEqual(MANIFEST.rawBytes);
    });

    it.each<[string, readonly unknown[], 'POLICY_DENIED' | 'POLICY_REQUIREMENT_UNSUPPORTED']>([
      ['reject', [REJECT], 'POLICY_DENIED'],
      ['reject after an acceptance', [ACCEPT, REJECT], 'POLICY_DENIED'],
      ['reject before an acceptance', [REJECT, ACCEPT], 'POLICY_DENIED'],
      ['signedBy', [SIGNED_BY], 'POLICY_DENIED'],
      ['sigstoreSigned', [SIGSTORE], 'POLICY_DENIED'],
      ['sigstoreSigned after an acceptance', [ACCEPT, SIGSTORE], 'POLICY_DENIED'],
      ['sigstoreSigned with a CA', [BY_CERTIFICATE], 'POLICY_DENIED'],
      ['signedBy with a certificate', [BY_X509_KEY], 'POLICY_REQUIREMENT_UNSUPPORTED'],
      ['signedBy after an acceptance', [ACCEPT, SIGNED_BY], 'POLICY_DENIED'],
      ['sigstoreSigned with a CA before an acceptance', [BY_CERTIFICATE, ACCEPT], 'POLICY_DENIED'],
      ['signedBy with a certificate before an acceptance', [BY_X509_KEY, ACCEPT], 'POLICY_REQUIREMENT_UNSUPPORTED'],
      ['signedBy before a rejection', [SIGNED_BY, REJECT], 'POLICY_DENIED'],
      ['signedBy with a certificate after a rejection', [REJECT, BY_X509_KEY], 'POLICY_DENIED'],
    ])('refuses an image by %s', async (_, requirements, code) => {
      await expectFailure(code, () => authoriseUnsigned(policy(requirements), byName('r.io/app:t')));
      // A digest in the reference does not outrank a policy.
      await expectFailure(code, () => authoriseUnsigned(policy(requirements), byName(`r.io/app@${MANIFEST.digest}`)));
    });

    it('names the scope that denied', async () => {
      const error = await expectFailure('POLICY_DENIED', () =>
        authoriseUnsigned(policy([ACCEPT], { 'r.io': [REJECT] }), byName('r.io/app:t')),
      );
      expect(error.kind).toBe('denied');
      expect(error.context).toEqual({ reference: 'r.io/app:t', scope: 'scope "r.io"' });
    });
  });

  describe('a reference with tag and digest', () => {
    const pinned = byName(`r.io/app:t@${MANIFEST.digest}`);

    it.each<[string, Record<string, unknown>]>([
      ['its digest', { [`r.io/app@${MANIFEST.digest}`]: [ACCEPT] }],
      ['its repository', { 'r.io/app': [ACCEPT] }],
      ['its repository, whatever else is asked of the tag', { 'r.io/app': [ACCEPT], 'r.io/app:t': [SIGNED_BY] }],
    ])('runs when %s is accepted', async (_, docker) => {
      expect((await authoriseUnsigned(policy([REJECT], docker), pinned)).basis).toBe('policy');
    });

    it.each<[string, Record<string, unknown>]>([
      ['only the tag is accepted', { 'r.io/app:t': [ACCEPT] }],
      ['the tag is rejected and the repository accepted', { 'r.io/app': [ACCEPT], 'r.io/app:t': [REJECT] }],
      [
        'the tag is rejected and the digest accepted',
        { [`r.io/app@${MANIFEST.digest}`]: [ACCEPT], 'r.io/app:t': [ACCEPT, REJECT] },
      ],
    ])('is denied when %s', async (_, docker) => {
      await expectFailure('POLICY_DENIED', () => authoriseUnsigned(policy([REJECT], docker), pinned));
    });
  });

  describe('believes no digest that it has not computed', () => {
    const other = OTHER_MANIFEST.digest;
    const sha512: Digest = hashBytes(MANIFEST.rawBytes, 'sha512');

    it('follows an index in an index', async () => {
      const reference = `r.io/app@${OUTER_INDEX.digest}`;
      const image = await authoriseUnsigned(undefined, byName(reference, MANIFEST, OUTER_INDEX, INDEX));
      expect(image.indexDigest).toBe(OUTER_INDEX.digest);
    });

    it('knows a sha512 pin, also through an index', async () => {
      const claimed = { ...MANIFEST, digest: sha512 };
      expect((await authoriseUnsigned(undefined, byName(`r.io/app@${sha512}`, claimed))).manifestDigest).toBe(sha512);
      expect((await authoriseUnsigned(undefined, byName(`r.io/app@${sha512}`))).manifestDigest).toBe(MANIFEST.digest);
      const index = indexOf(claimed);
      const image = await authoriseUnsigned(undefined, byName(`r.io/app@${index.digest}`, MANIFEST, index));
      expect(image.manifestDigest).toBe(MANIFEST.digest);
    });

    it.each<[string, ImageCandidate]>([
      ['a manifest with another digest than claimed', byName('r.io/app:t', { ...MANIFEST, digest: other })],
      ['an index with another digest than claimed', byName('r.io/app:t', MANIFEST, { ...INDEX, digest: other })],
      ['another manifest than the pinned one', byName(`r.io/app@${MANIFEST.digest}`, OTHER_MANIFEST)],
      ['another manifest than the tag and pin', byName(`r.io/app:t@${MANIFEST.digest}`, OTHER_MANIFEST)],
      ['another index than the pinned one', byName(`r.io/app@${INDEX.digest}`, MANIFEST, OUTER_INDEX, INDEX)],
      ['a pinned index without an entry for the manifest', byName(`r.io/app@${INDEX.digest}`, OTHER_MANIFEST, INDEX)],
      ['a pinned manifest that is reached over an index', byName(`r.io/app@${MANIFEST.digest}`, MANIFEST, INDEX)],
      ['an outer index without an entry for the inner', byName('r.io/app:t', MANIFEST, INDEX, INDEX)],
      ['an entry of another size', byName('r.io/app:t', MANIFEST, indexOf(MANIFEST, { size: 1 }))],
      ['a sha512 pin of other bytes', byName(`r.io/app@${sha512}`, OTHER_MANIFEST)],
    ])('refuses %s, whatever the policy', async (_, candidate) => {
      await expectFailure('MANIFEST_DIGEST_MISMATCH', () => authoriseUnsigned('insecure-accept-anything', candidate));
      await expectFailure('MANIFEST_DIGEST_MISMATCH', () => authoriseUnsigned(policy([ACCEPT]), candidate));
    });

    it.each<[string, ImageCandidate]>([
      ['a manifest in place of an index', byName('r.io/app:t', MANIFEST, MANIFEST)],
      ['an index in place of the manifest', byName('r.io/app:t', INDEX)],
      ['an entry of another media type', byName('r.io/app:t', MANIFEST, indexOf(MANIFEST, { mediaType: OCI_INDEX }))],
      ['a manifest served as an index', byName('r.io/app:t', { ...MANIFEST, contentType: OCI_INDEX })],
    ])('refuses %s', async (_, candidate) => {
      await expectFailure('MANIFEST_INVALID', () => authoriseUnsigned('insecure-accept-anything', candidate));
    });

    it('refuses every single flipped bit of a pinned manifest', async () => {
      const candidate = byName(`r.io/app@${MANIFEST.digest}`);
      expect((await authoriseUnsigned(undefined, candidate)).basis).toBe('digest-pin');
      for (let bit = 0; bit < MANIFEST.rawBytes.length * 8; bit++) {
        const rawBytes = Uint8Array.from(MANIFEST.rawBytes);
        rawBytes[bit >> 3] = (rawBytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const manifest = { ...MANIFEST, rawBytes, digest: hashBytes(rawBytes) };
        await expectFailure('MANIFEST_DIGEST_MISMATCH', () => authoriseUnsigned(undefined, { ...candidate, manifest }));
      }
    });

    it('keeps bytes of its own, which nobody can change later', async () => {
      const rawBytes = Uint8Array.from(MANIFEST.rawBytes);
      const image = await authoriseUnsigned(
        undefined,
        byName(`r.io/app@${MANIFEST.digest}`, { ...MANIFEST, rawBytes }),
      );
      rawBytes.fill(0);
      image.rawManifest.fill(0);
      expect(hashBytes(image.rawManifest)).toBe(MANIFEST.digest);
    });
  });
});

describe('assertAuthorized', () => {
  it('accepts what the gate made', async () => {
    const image = await authoriseUnsigned('insecure-accept-anything', byName('r.io/app:t'));
    expect(() => assertAuthorized(image)).not.toThrow();
  });

  it('refuses every imitation', async () => {
    const image = await authoriseUnsigned('insecure-accept-anything', byName('r.io/app:t'));
    const { reference, manifest, manifestDigest, rawManifest, indexDigest, basis } = image;
    const imitations: readonly unknown[] = [
      { reference, manifest, manifestDigest, rawManifest, indexDigest, basis },
      Object.create(Object.getPrototypeOf(image)),
      Object.create(image),
      structuredClone({ basis }),
      new Proxy(image, {}),
      undefined,
      null,
      'authorised',
    ];
    for (const imitation of imitations) await expectFailure('INTERNAL', () => assertAuthorized(imitation));
  });

  it('cannot be got round through the constructor', async () => {
    const image = await authoriseUnsigned('insecure-accept-anything', byName('r.io/app:t'));
    const imageClass: new (...args: unknown[]) => AuthorizedImage = Object.getPrototypeOf(image).constructor;
    await expectFailure('INTERNAL', () => new imageClass(Symbol('permit'), image, 'policy'));
  });
});
