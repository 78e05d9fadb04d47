import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import type { AuthorizedImage, SignatureVerifier } from '../../../src/signature/index.ts';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import type { Evidence, RawSignature } from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { authoriseSigned } from '../../support/signatures/gate.ts';
import {
  INLINE_VERIFIER,
  SIGNED_MANIFEST,
  SIGNED_REFERENCE,
  signingKey,
  simpleSignature,
} from '../../support/signatures/simple-signatures.ts';

const REQUIREMENT = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/keys/ed25519' };

function found(...names: readonly string[]): Evidence {
  return { ...NO_EVIDENCE, signatures: names.map(signatureNamed) };
}

function signatureNamed(name: string, position: number): RawSignature {
  const origin = `https://sigs.example/app/signature-${position + 1}`;
  return { rawBytes: simpleSignature(name), mediaType: '', annotations: {}, origin };
}

interface GateOfTest {
  readonly requirements?: readonly unknown[];
  readonly reference?: string;
  readonly evidence?: readonly Evidence[];
  readonly verifier?: SignatureVerifier;
  /** Receives the paths of keys that are read. */
  readonly loaded?: string[];
}

function authorise({
  requirements = [REQUIREMENT],
  reference = SIGNED_REFERENCE,
  evidence = [found('ed25519')],
  verifier = INLINE_VERIFIER,
  loaded = [],
}: GateOfTest = {}): Promise<AuthorizedImage> {
  const candidate = { indexes: [], manifest: SIGNED_MANIFEST };
  return authoriseSigned({ requirements, candidate, reference, evidence, verifier, readKey: signingKey, loaded });
}

const denial = (gate: GateOfTest) => expectFailure('POLICY_DENIED', () => authorise(gate));

describe('signedBy', () => {
  it('lets a signed image run, and says who signed it and where the signature was', async () => {
    const image = await authorise({ evidence: [found('ed25519')] });
    expect([image.basis, image.proof]).toEqual(['signature', 'signature']);
    expect(image.signers).toEqual([
      {
        kind: 'openpgp',
        fingerprint: expect.stringMatching(/^[0-9A-F]{40}$/),
        signedAt: '2026-02-01T00:00:00.000Z',
        signedReference: SIGNED_REFERENCE,
        origin: 'https://sigs.example/app/signature-1',
      },
    ]);
  });

  it.each<[string, object]>([
    ['keyPath', { keyPath: '/keys/ed25519' }],
    ['keyPaths', { keyPaths: ['/keys/rsa2048', '/keys/ed25519-armored'] }],
    ['keyData in base64', { keyData: signingKey('ed25519').toString('base64') }],
    ['keyData in lines of base64', { keyData: signingKey('ed25519').toString('base64').replace(/.{64}/g, '$&\n') }],
    ['keyData with armor in base64', { keyData: signingKey('ed25519-armored').toString('base64') }],
    ['keyData with armor as it is', { keyData: signingKey('ed25519-armored').toString() }],
  ])('takes keys from %s', async (_, keys) => {
    const { basis } = await authorise({ requirements: [{ type: 'signedBy', keyType: 'GPGKeys', ...keys }] });
    expect(basis).toBe('signature');
  });

  it('accepts one good signature among bad ones', async () => {
    const image = await authorise({ evidence: [found('nistp256', 'detached', 'from-2031', 'ed25519')] });
    expect(image.signers[0]?.origin).toBe('https://sigs.example/app/signature-4');
  });

  it('has to be satisfied by a signature for each requirement', async () => {
    const other = { ...REQUIREMENT, keyPath: '/keys/nistp256' };
    const image = await authorise({ requirements: [REQUIREMENT, other], evidence: [found('ed25519', 'nistp256')] });
    expect(image.signers.map(({ origin }) => origin.at(-1))).toEqual(['1', '2']);
    await denial({ requirements: [REQUIREMENT, other], evidence: [found('ed25519')] });
  });

  it.each([
    [`registry.example/team/app@${SIGNED_MANIFEST.digest}`, 'accepted'],
    [`registry.example/team/app:1@${SIGNED_MANIFEST.digest}`, 'accepted'],
    [`registry.example/team/app:2@${SIGNED_MANIFEST.digest}`, 'accepted'],
    [`registry.example/team/other@${SIGNED_MANIFEST.digest}`, 'denied'],
    ['registry.example/team/app:2', 'denied'],
    ['registry.example/team/app', 'denied'],
    ['mirror.example/team/app:1', 'denied'],
  ])('compares the name that the user wrote: %s is %s', async (reference, expected) => {
    if (expected === 'accepted') expect((await authorise({ reference })).basis).toBe('signature');
    else await denial({ reference });
  });

  it('accepts an image in files only by a rule that does not look at its name', async () => {
    const exact = { type: 'exactRepository', dockerRepository: 'registry.example/team/app' };
    const reference = 'oci:/images/app';
    const image = await authorise({ reference, requirements: [{ ...REQUIREMENT, signedIdentity: exact }] });
    expect(image.basis).toBe('signature');
    const error = await denial({ reference });
    expect(error.message).toContain('the image has no name');
  });

  it('ignores the attachments of Sigstore', async () => {
    const signatures = [{ ...signatureNamed('ed25519', 0), mediaType: 'application/x' }];
    const error = await denial({ evidence: [{ ...NO_EVIDENCE, signatures }] });
    expect(error.message).toContain('no signature was found');
  });

  it.each(['signedByGPGKeys', 'X509Certificates', 'signedByX509CAs'])(
    'refuses keyType %s as unsupported',
    async (keyType) => {
      const requirements = [{ ...REQUIREMENT, keyType }];
      const error = await expectFailure('POLICY_REQUIREMENT_UNSUPPORTED', () => authorise({ requirements }));
      expect(error.message).toContain(`keyType "${keyType}"`);
    },
  );

  it('fails with the policy when its keys cannot be used', async () => {
    await expectFailure('POLICY_INVALID', () =>
      authorise({ requirements: [{ ...REQUIREMENT, keyPath: '/keys/secret' }] }),
    );
  });
});

describe('a denial of signedBy', () => {
  it('names scope, requirement, each signature with its location and reason, and what to change', async () => {
    const error = await denial({ evidence: [found('nistp256', 'detached')] });
    expect(error.message).toMatch(
      new RegExp(
        [
          '^authorise registry.example/team/app:1: policy, default: requirement "signedBy" with keyPath /keys/ed25519: ',
          'none of 2 signatures counts: https://sigs.example/app/signature-1: it names key [0-9A-F]{40}, which the key ring ',
          'does not hold \\(add this public key to keyPath, keyPaths or keyData, if you trust its owner\\); ',
          'https://sigs.example/app/signature-2: it is a detached signature; expected the signed text in it \\(gpg --sign\\)$',
        ].join(''),
      ),
    );
    expect(error.hint).toContain('keyPath');
    expect(error.context).toMatchObject({ scope: 'default' });
  });

  it('says where no signature was found, and how to make one', async () => {
    const remarks = ['https://sigs.example/app/signature-1 is not there'];
    const error = await denial({ evidence: [{ ...NO_EVIDENCE, remarks }] });
    expect(error.message).toContain(`no signature was found; ${remarks[0]}`);
    expect(error.hint).toContain('--sign-by');
  });

  it('quotes the rule that would accept the name in the signature', async () => {
    const error = await denial({ reference: 'mirror.example/team/app:1' });
    const rule = `"signedIdentity": {"type":"exactReference","dockerReference":"${SIGNED_REFERENCE}"}`;
    expect(error.message).toContain(rule);
    expect(error.hint).toContain(rule);
  });

  it('lists ten signatures and counts the others', async () => {
    const error = await denial({ evidence: [found(...Array.from({ length: 128 }, () => 'detached'))] });
    expect(error.message).toContain('none of 128 signatures counts');
    expect(error.message).toContain('signature-10: ');
    expect(error.message).toMatch(/; and 118 more$/);
  });

  it('does not check further signatures once three checks have failed', async () => {
    let checks = 0;
    const verifier: SignatureVerifier = {
      ...INLINE_VERIFIER,
      verifySimpleSignature: async () => {
        checks += 1;
        return { kind: 'refused', reason: 'check-failed', text: 'its check failed', remedy: undefined };
      },
    };
    const evidence = [found('ed25519', 'zip', 'zlib', 'uncompressed')];
    // What could not be checked may be the good one, so this is no denial.
    const error = await expectFailure('SIGNATURE_UNAVAILABLE', () => authorise({ verifier, evidence }));
    expect(checks).toBe(3);
    expect(error.message).toContain('signature-4: not checked, since 3 checks before it failed');
  });
});

describe('while signatures are looked for', () => {
  it('loads the keys once, and verifies each signature once', async () => {
    const loaded: string[] = [];
    const verified: Uint8Array[] = [];
    const verifier: SignatureVerifier = {
      ...INLINE_VERIFIER,
      verifySimpleSignature: (check, signal) => {
        verified.push(check.rawSignature);
        return INLINE_VERIFIER.verifySimpleSignature(check, signal);
      },
    };
    const all = found('detached', 'armored', 'ed25519').signatures;
    const evidence = [1, 2, 3].map((count) => ({ ...NO_EVIDENCE, signatures: all.slice(0, count) }));
    await authorise({ evidence, loaded, verifier });
    expect(loaded).toEqual(['/keys/ed25519']);
    expect(verified).toHaveLength(3);
  });

  it('reads no keys when there is no signature', async () => {
    const loaded: string[] = [];
    await denial({ evidence: [NO_EVIDENCE], loaded });
    expect(loaded).toEqual([]);
  });

  it('does not take an error for a verdict', async () => {
    const verifier: SignatureVerifier = {
      ...INLINE_VERIFIER,
      verifySimpleSignature: () => Promise.reject(new SealiftError('PULL_CANCELLED', 'cancelled')),
    };
    await expectFailure('PULL_CANCELLED', () => authorise({ verifier }));
  });
});
