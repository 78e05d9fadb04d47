import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import { parseReference } from '../../../src/oci/index.ts';
import { type AuthorizedImage, gatherEvidence, type SignatureVerifier } from '../../../src/signature/index.ts';
import { type KeptSignature, signaturesToKeep } from '../../../src/signature/kept-signatures.ts';
import { parsePolicy } from '../../../src/signature/policy/index.ts';
import { verifySimpleSignature } from '../../../src/signature/simple-signing/verify-simple-signature.ts';
import type { LookasideStore } from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { authoriseSigned } from '../../support/signatures/gate.ts';
import {
  CHECKED_AT,
  INLINE_VERIFIER,
  SIGNED_MANIFEST,
  SIGNED_REFERENCE,
  signingKey,
  simpleSignature,
} from '../../support/signatures/simple-signatures.ts';

const signedBy = (key: string) => ({ type: 'signedBy', keyType: 'GPGKeys', keyPath: `/keys/${key}` });

function kept(name: string, changes: Partial<KeptSignature> = {}): KeptSignature {
  return { rawBytes: simpleSignature(name), mediaType: '', annotations: {}, origin: `https://old/${name}`, ...changes };
}

interface World {
  readonly requirements?: readonly object[];
  readonly reference?: string;
  readonly kept?: readonly KeptSignature[];
  /** What the lookaside store has, or how it fails. */
  readonly store?: readonly string[] | SealiftError;
  readonly verifier?: SignatureVerifier;
  readonly limits?: Partial<Limits>;
}

interface Judged {
  readonly image: Promise<AuthorizedImage>;
  /** The positions that the store was asked for. */
  readonly asked: number[];
  /** How often the kept ones were read. */
  readonly reads: () => number;
}

/** Does what a pull does between the manifest and the gate. */
function judge({ requirements = [signedBy('ed25519')], reference = SIGNED_REFERENCE, ...world }: World): Judged {
  const asked: number[] = [];
  let reads = 0;
  const store: LookasideStore = {
    isConfigured: true,
    locate: (_, position) => new URL(`https://new/signature-${position}`),
    fetchSignature: async ({ href }) => {
      const position = Number(href.split('-')[1]);
      asked.push(position);
      const { store: content = [] } = world;
      if (content instanceof SealiftError) throw content;
      const name = content[position - 1];
      return name === undefined ? undefined : simpleSignature(name);
    },
  };
  const search = {
    ...{ reference: parseReference(reference), digests: [SIGNED_MANIFEST.digest], sources: [] },
    ...{ openLookaside: async () => store, usesAttachments: async () => true },
    signal: new AbortController().signal,
  };
  const evidence = gatherEvidence(search, {
    policy: parsePolicy(JSON.stringify({ default: requirements })),
    limits: { ...DEFAULT_LIMITS, ...world.limits },
    readKept: () => {
      reads += 1;
      return world.kept ?? [];
    },
  });
  const image = authoriseSigned({
    ...{ requirements, reference, evidence, readKey: signingKey, loaded: [] },
    candidate: { indexes: [], manifest: SIGNED_MANIFEST },
    verifier: world.verifier ?? INLINE_VERIFIER,
  });
  return { image, asked, reads: () => reads };
}

const DOWN = new SealiftError('HTTP_UNAVAILABLE', 'no answer');

/** Verifies as of another time. */
const at = (nowMs: number): SignatureVerifier => ({
  ...INLINE_VERIFIER,
  verifySimpleSignature: (check) => verifySimpleSignature({ ...check, nowMs, limits: DEFAULT_LIMITS }),
});

describe('a kept signature', () => {
  it('lets the image run before anything is asked, and the signer says so', async () => {
    const { image, asked } = judge({ kept: [kept('ed25519')], store: DOWN });
    const { proof, signers, signatures } = await image;
    expect([proof, asked]).toEqual(['signature', []]);
    expect(signers).toMatchObject([{ origin: 'https://old/ed25519', isKept: true }]);
    expect(signatures).toMatchObject([{ origin: 'https://old/ed25519', isKept: true }]);
    // Control: without it the store is asked.
    const without = judge({ store: DOWN });
    await expectFailure('SIGNATURE_UNAVAILABLE', () => without.image);
    expect(without.asked).toEqual([1]);
  });

  it('is verified anew each time, with the keys of now', async () => {
    const verified: Uint8Array[] = [];
    const verifier: SignatureVerifier = {
      ...INLINE_VERIFIER,
      verifySimpleSignature: (check, signal) => {
        verified.push(check.rawSignature);
        return INLINE_VERIFIER.verifySimpleSignature(check, signal);
      },
    };
    for (let time = 0; time < 2; time += 1) await judge({ kept: [kept('ed25519')], verifier }).image;
    expect(verified).toHaveLength(2);
    const { image, asked } = judge({ kept: [kept('ed25519')], requirements: [signedBy('nistp256')] });
    const { message } = await expectFailure('POLICY_DENIED', () => image);
    expect(message).toContain('https://old/ed25519 (kept by an earlier pull): it names key');
    // What is said of the search is said too: nothing new was found.
    expect(message).toContain('https://new/signature-1 is not there');
    expect(asked).toEqual([1]);
  });

  it('of a key that left the policy denies nothing while a location cannot be read', async () => {
    const { image } = judge({ kept: [kept('ed25519')], requirements: [signedBy('nistp256')], store: DOWN });
    const { message } = await expectFailure('SIGNATURE_UNAVAILABLE', () => image);
    expect(message).toContain('(kept by an earlier pull)');
  });

  it('that does not count any more hides no new one', async () => {
    const requirements = [signedBy('nistp256')];
    const { image, asked } = judge({ kept: [kept('ed25519')], requirements, store: ['detached', 'nistp256'] });
    expect((await image).signers).toEqual([expect.objectContaining({ origin: 'https://new/signature-2' })]);
    expect(asked).toEqual([1, 2, 3]);
  });

  it('is no proof of time: what has expired since does not count', async () => {
    const requirements = [signedBy('expiring')];
    const of = (nowMs: number) => judge({ kept: [kept('expiring')], requirements, verifier: at(nowMs) }).image;
    expect((await of(CHECKED_AT)).proof).toBe('signature');
    const { message } = await expectFailure('POLICY_DENIED', () => of(Date.parse('2026-06-02T00:00:00Z')));
    expect(message).toMatch(/kept by an earlier pull\): its key .* expired at/);
  });

  it('that was altered in the store is refused like any other, and the store of signatures is asked', async () => {
    const altered = Buffer.from(simpleSignature('uncompressed'));
    altered.writeUInt8(altered.readUInt8(altered.length - 9) ^ 1, altered.length - 9);
    const world = { kept: [kept('uncompressed', { rawBytes: altered })], store: ['uncompressed'] };
    expect((await judge(world).image).signers[0]?.isKept).toBeUndefined();
    await expectFailure('POLICY_DENIED', () => judge({ ...world, store: [] }).image);
  });

  it('of another name does not count under this one', async () => {
    const reference = 'registry.example/team/other:1';
    await expectFailure('POLICY_DENIED', () => judge({ kept: [kept('ed25519')], reference }).image);
  });

  it('is enough for its own requirement, and the others are looked for', async () => {
    const requirements = [signedBy('ed25519'), signedBy('nistp256')];
    const { image, asked } = judge({ kept: [kept('ed25519')], requirements, store: ['nistp256'] });
    const { signers, signatures } = await image;
    expect(signers.map(({ isKept }) => isKept)).toEqual([true, undefined]);
    expect(signatures.map(({ isKept }) => isKept)).toEqual([true, undefined]);
    expect(asked).toEqual([1, 2]);
  });

  it('that is found again is verified once, and named once', async () => {
    const checks: Uint8Array[] = [];
    const verifier: SignatureVerifier = {
      ...INLINE_VERIFIER,
      verifySimpleSignature: (check, signal) => {
        checks.push(check.rawSignature);
        return INLINE_VERIFIER.verifySimpleSignature(check, signal);
      },
    };
    const requirements = [signedBy('nistp256')];
    const { image } = judge({ kept: [kept('ed25519')], requirements, store: ['ed25519'], verifier });
    const { message } = await expectFailure('POLICY_DENIED', () => image);
    expect(message).toContain('the signature does not count');
    expect(checks).toHaveLength(1);
  });

  it('takes nothing from what may be found for the image', async () => {
    const requirements = [signedBy('nistp256')];
    const limits = { maxImageSignatures: 1 };
    const { image } = judge({ kept: [kept('ed25519')], requirements, store: ['nistp256'], limits });
    expect((await image).proof).toBe('signature');
  });

  it('that is larger than a signature may be now is not looked at', async () => {
    const limits = { maxSignatureBytes: simpleSignature('ed25519').length };
    expect((await judge({ kept: [kept('ed25519')], limits }).image).signers[0]?.isKept).toBe(true);
    const smaller = { maxSignatureBytes: limits.maxSignatureBytes - 1 };
    const { message } = await expectFailure(
      'POLICY_DENIED',
      () => judge({ kept: [kept('ed25519')], limits: smaller }).image,
    );
    expect(message).toContain('no signature was found');
  });

  it.each([
    ['a reject', [{ type: 'reject' }, signedBy('ed25519')], 'POLICY_DENIED'],
    [
      'what cannot be verified',
      [{ ...signedBy('ed25519'), keyType: 'signedByGPGKeys' }],
      'POLICY_REQUIREMENT_UNSUPPORTED',
    ],
  ] as const)('is not even read beside %s', async (_, requirements, code) => {
    const { image, asked, reads } = judge({ kept: [kept('ed25519')], requirements });
    await expectFailure(code, () => image);
    expect([asked, reads()]).toEqual([[], 0]);
  });

  it('is not read where the policy looks at no signature', async () => {
    const { image, reads } = judge({ kept: [kept('ed25519')], requirements: [{ type: 'insecureAcceptAnything' }] });
    expect([(await image).proof, reads()]).toEqual(['none', 0]);
  });
});

describe('what is kept of an image', () => {
  const never = (): never => {
    throw new Error('not to be read');
  };
  const found = (name: string) => kept(name, { origin: `https://new/${name}` });

  it('is what satisfied the policy now, before what did so earlier', () => {
    const added = found('nistp256');
    expect(signaturesToKeep([added], () => [kept('ed25519')])).toEqual([added, kept('ed25519')]);
    // The same signature is kept once, also when it was found elsewhere.
    expect(signaturesToKeep([found('ed25519')], () => [kept('ed25519'), kept('uncompressed')])).toEqual([
      found('ed25519'),
      kept('uncompressed'),
    ]);
  });

  it('differs by type and annotations, whatever their order', () => {
    const annotations = { a: '1', b: '2' };
    const same = kept('ed25519', { annotations: { b: '2', a: '1' } });
    const others = [kept('ed25519', { mediaType: 'x' }), kept('ed25519', { annotations: { a: '1' } }), same];
    const added = kept('ed25519', { annotations });
    expect(signaturesToKeep([added], () => others)).toEqual([added, ...others.slice(0, 2)]);
  });

  it('stays as it is when kept ones were enough, and when there were none', () => {
    expect(signaturesToKeep([{ ...kept('ed25519'), isKept: true }], never)).toBeUndefined();
    expect(signaturesToKeep([], never)).toBeUndefined();
  });

  it('is nothing for an image that runs without a signature', async () => {
    const { signatures } = await judge({ requirements: [{ type: 'insecureAcceptAnything' }] }).image;
    expect(signatures).toEqual([]);
  });
});
