import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { createSignatureVerifier, type SignatureVerifier } from '../../../src/signature/index.ts';
import { expectFailure } from '../../support/matchers.ts';
import { lendPool, openBundledPool } from '../../support/pools/pools.ts';
import { attachmentOf, digestsOf, publicKey, signedImage } from '../../support/signatures/sigstore-signatures.ts';
import {
  CHECKED_AT,
  SIGNED_DIGEST,
  SIGNED_REFERENCE,
  signingKey,
  simpleSignature,
} from '../../support/signatures/simple-signatures.ts';

type Run = Parameters<typeof createSignatureVerifier>[0]['run'];

const { signal } = new AbortController();
const PATIENT = { ...DEFAULT_LIMITS, signatureCheckMs: 120_000, imageSignatureCheckMs: 600_000 };

function check(signature: Uint8Array = simpleSignature('ed25519'), key = signingKey('ed25519')) {
  return {
    rawSignature: signature,
    keyRings: [{ name: '/keys/ring', rawBytes: key }],
    identity: { type: 'matchRepository' },
    imageReference: SIGNED_REFERENCE,
    digests: [SIGNED_DIGEST],
  } as const;
}

function inWorkers(limits = PATIENT): SignatureVerifier {
  const run = lendPool({ limits: DEFAULT_LIMITS }, 0).runner('signature');
  return createSignatureVerifier({ run, limits, nowMs: () => CHECKED_AT }).forImage();
}

/** A verifier whose calls end with this error. */
function failing(error: unknown): SignatureVerifier {
  const run = async (): Promise<never> => Promise.reject(error);
  return createSignatureVerifier({ run, limits: PATIENT, nowMs: () => CHECKED_AT }).forImage();
}

describe('an attachment of Sigstore', () => {
  const image = signedImage('legacy-key-log');
  const { mediaType, annotations, content } = attachmentOf(image);
  const attachment = {
    mediaType,
    annotations,
    rawBytes: Buffer.from(content),
    author: { kind: 'keys', keys: [{ name: '/keys/p256', rawBytes: Buffer.from(publicKey('p256')) }] },
    trustedRoot: undefined,
    logKeys: [{ name: '/keys/rekor', rawBytes: Buffer.from(publicKey('rekor')) }],
    identity: { type: 'matchRepository' },
    imageReference: `${image.repository}:1`,
    digests: digestsOf(image.document),
    documents: [Buffer.from(image.document)],
    predicateTypes: [],
  } as const;

  it('is verified in a worker thread', async () => {
    const verdict = await inWorkers().verifySigstoreSignature(attachment, signal);
    expect(verdict).toMatchObject({ kind: 'accepted', signedReference: image.repository });
  });

  it('is refused there, with the reason and what to do', async () => {
    const verdict = await inWorkers().verifySigstoreSignature(
      { ...attachment, logKeys: attachment.author.keys },
      signal,
    );
    expect(verdict).toMatchObject({
      kind: 'refused',
      reason: 'log',
      remedy: expect.stringContaining('rekorPublicKey'),
    });
  });

  it('is not judged with a faulty key: the policy is at fault', async () => {
    const keys = [{ name: '/keys/p256', rawBytes: Buffer.from('x') }];
    const error = await expectFailure('POLICY_INVALID', () =>
      inWorkers().verifySigstoreSignature({ ...attachment, author: { kind: 'keys', keys } }, signal),
    );
    expect(error.message).toBe(
      'policy: public key /keys/p256: expected a public key in PEM, or in DER (SubjectPublicKeyInfo)',
    );
  });

  it('whose check crashes is refused', async () => {
    const crash = new SealiftError('LAYER_WORKER_FAILED', 'worker thread: out of memory');
    const verdict = await failing(crash).verifySigstoreSignature(attachment, signal);
    expect(verdict).toMatchObject({ reason: 'check-failed', text: expect.stringContaining('LAYER_WORKER_FAILED') });
  });
});

describe('a signature', () => {
  it('is verified in a worker thread, which loads OpenPGP.js as the file that its authors publish', async () => {
    const verifier = inWorkers();
    const verdict = await verifier.verifySimpleSignature(check(), signal);
    expect(verdict).toMatchObject({ kind: 'accepted', signedReference: SIGNED_REFERENCE });
    const published = new URL('../../../node_modules/openpgp/dist/node/openpgp.min.mjs', import.meta.url);
    const loaded = new URL('../../../node_modules/.cache/sealift/workers/openpgp.min.mjs', import.meta.url);
    expect(readFileSync(loaded).equals(readFileSync(published))).toBe(true);
  });

  it('is refused there, with the reason', async () => {
    const verdict = await inWorkers().verifySimpleSignature(check(simpleSignature('detached')), signal);
    expect(verdict).toMatchObject({ kind: 'refused', reason: 'detached' });
  });

  it('does not wait for more than another one', async () => {
    let running = 0;
    let most = 0;
    const run = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return { kind: 'refused', reason: 'empty', text: '', remedy: undefined } as const;
    };
    const verifier = createSignatureVerifier({
      run: run as unknown as Run,
      limits: PATIENT,
      nowMs: () => CHECKED_AT,
    }).forImage();
    await Promise.all(Array.from({ length: 20 }, () => verifier.verifySimpleSignature(check(), signal)));
    expect(most).toBe(2);
  });

  it('whose check does not end in time is refused, its thread is ended, and the next one is checked', async () => {
    // No thread starts within a millisecond.
    const limits = { ...DEFAULT_LIMITS, signatureCheckMs: 1 };
    const pool = openBundledPool({ limits }, 60_000);
    try {
      const run = pool.runner('signature');
      const hasty = createSignatureVerifier({ run, limits, nowMs: () => CHECKED_AT }).forImage();
      const stalled = await hasty.verifySimpleSignature(check(), signal);
      expect(stalled).toEqual({
        kind: 'refused',
        reason: 'check-failed',
        text: 'its check failed: SIGNATURE_CHECK_STALLED: signature: expected its check to end within 1 ms',
        remedy: undefined,
      });
      const patient = createSignatureVerifier({ run, limits: PATIENT, nowMs: () => CHECKED_AT }).forImage();
      expect((await patient.verifySimpleSignature(check(), signal)).kind).toBe('accepted');
    } finally {
      pool.close();
    }
  });

  it('is not checked when those before it have used up the time of the image, which other images still have', async () => {
    let now = 0;
    const deadlines: (number | undefined)[] = [];
    // Checks take as long as they may.
    const run = async (_: unknown, __: unknown, options?: Parameters<Run>[2]) => {
      const ms = options?.deadline?.ms ?? 0;
      deadlines.push(ms);
      now += ms;
      throw options?.deadline?.stalled(ms);
    };
    const limits = { ...DEFAULT_LIMITS, signatureCheckMs: 20, imageSignatureCheckMs: 50 };
    const times = { nowMs: () => CHECKED_AT, elapsedMs: () => now };
    const verifiers = createSignatureVerifier({ run, limits, ...times });
    const verifier = verifiers.forImage();
    const texts: string[] = [];
    for (let checks = 0; checks < 5; checks += 1) {
      const verdict = await verifier.verifySimpleSignature(check(), signal);
      if (verdict.kind === 'refused') texts.push(`${verdict.reason}: ${verdict.text}`);
    }
    const stalled = (what: string) =>
      `check-failed: its check failed: SIGNATURE_CHECK_STALLED: signature: expected ${what}`;
    const one = stalled('its check to end within 20 ms');
    const all = stalled('the checks of all signatures of the image to end within 50 ms');
    expect(texts).toEqual([one, one, all, all, all]);
    expect(deadlines).toEqual([20, 20, 10]);
    await verifiers.forImage().verifySimpleSignature(check(), signal);
    expect(deadlines.at(-1)).toBe(20);
  });

  it('names the limit of its time in the error of the call', async () => {
    let error: SealiftError | undefined;
    const run = async (_: unknown, __: unknown, options?: Parameters<Run>[2]) => {
      error = options?.deadline?.stalled(7);
      throw error;
    };
    const verifier = createSignatureVerifier({ run, limits: PATIENT, nowMs: () => CHECKED_AT }).forImage();
    await verifier.verifySimpleSignature(check(), signal);
    expect(error?.code).toBe('SIGNATURE_CHECK_STALLED');
    expect(error?.context).toEqual({ limit: 'signatureCheckMs', expected: 7 });
    // When less is left of the time of the image, it is named.
    const limits = { ...PATIENT, imageSignatureCheckMs: 5 };
    const hasty = createSignatureVerifier({ run, limits, nowMs: () => CHECKED_AT }).forImage();
    await hasty.verifySimpleSignature(check(), signal);
    expect(error?.context).toEqual({ limit: 'imageSignatureCheckMs', expected: 5 });
  });

  it('whose check crashes is refused', async () => {
    const crash = new SealiftError('LAYER_WORKER_FAILED', 'worker thread: out of memory');
    const verdict = await failing(crash).verifySimpleSignature(check(), signal);
    expect(verdict).toMatchObject({ reason: 'check-failed', text: expect.stringContaining('LAYER_WORKER_FAILED') });
  });

  it('is not judged with a faulty key ring: the policy is at fault', async () => {
    const error = await expectFailure('POLICY_INVALID', () =>
      inWorkers().verifySimpleSignature(check(simpleSignature('ed25519'), signingKey('secret')), signal),
    );
    expect(error.message).toBe('policy: key ring /keys/ring: expected public keys, got a secret key; use gpg --export');
  });

  it('is not judged any more when the pull is cancelled', async () => {
    const abort = new AbortController();
    abort.abort();
    await expectFailure('PULL_CANCELLED', () => inWorkers().verifySimpleSignature(check(), abort.signal));
  });
});
