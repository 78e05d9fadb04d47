import { describe, expect, it } from 'vitest';
import { type ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes, parseReference } from '../../../src/oci/index.ts';
import { authoriseImage, gatherEvidence } from '../../../src/signature/index.ts';
import { parsePolicy } from '../../../src/signature/policy/index.ts';
import { REQUIREMENT_KINDS, type RequirementKinds } from '../../../src/signature/requirement-kinds.ts';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import type { Evidence, PolicyVerdict, RawSignature } from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { INLINE_VERIFIER } from '../../support/signatures/simple-signatures.ts';

const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: hashBytes('{}'), size: 2 };
const rawBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE, config: CONFIG, layers: [] }));
const MANIFEST = { rawBytes, digest: hashBytes(rawBytes), contentType: MEDIA_TYPE };
const REFERENCE = parseReference('r.io/app:1');

const GOOD: RawSignature = { rawBytes: Buffer.from('good'), mediaType: '', annotations: {}, origin: 'here' };
const BAD: RawSignature = { ...GOOD, rawBytes: Buffer.from('bad') };
const found = (...signatures: RawSignature[]): Evidence => ({ ...NO_EVIDENCE, signatures });
const failed = (origin: string, code: ErrorCode = 'HTTP_UNAVAILABLE'): Evidence => {
  return { ...NO_EVIDENCE, failures: [{ origin, error: new SealiftError(code, `${origin} broke`) }] };
};
const remark = (text: string): Evidence => ({ ...NO_EVIDENCE, remarks: [text] });

/** What was done, in order: the steps of the search, and the numbers of signatures that were judged. */
type Trace = (number | 'step')[];

function kindsWith(steps: readonly Evidence[], trace: Trace): RequirementKinds {
  async function* find(): AsyncGenerator<Evidence> {
    for (const step of steps) {
      trace.push('step');
      yield step;
    }
  }
  const evaluate = async (_: unknown, { evidence }: { readonly evidence: Evidence }): Promise<PolicyVerdict> => {
    trace.push(evidence.signatures.length);
    const isGood = evidence.signatures.some(({ rawBytes: bytes }) => Buffer.from(bytes).toString() === 'good');
    return isGood ? { kind: 'accept', basis: 'signature' } : { kind: 'deny', reason: 'no good signature' };
  };
  const unknown = { ...REQUIREMENT_KINDS.sigstoreSigned, explainUnsupported: () => 'not in this version' };
  return { ...REQUIREMENT_KINDS, signedBy: { find, evaluate }, sigstoreSigned: unknown };
}

async function judge(steps: readonly Evidence[], requirements: readonly unknown[] = [SIGNED_BY]) {
  const trace: Trace = [];
  const kinds = kindsWith(steps, trace);
  const policy = parsePolicy(JSON.stringify({ default: requirements }));
  const { signal } = new AbortController();
  const openLookaside = async () => undefined;
  const usesAttachments = async () => true;
  const search = {
    reference: REFERENCE,
    digests: [MANIFEST.digest],
    sources: [],
    openLookaside,
    usesAttachments,
    signal,
  };
  const evidence = gatherEvidence(search, { policy, limits: DEFAULT_LIMITS, kinds });
  const keys = { load: async () => [] };
  const candidate = { reference: REFERENCE, indexes: [], manifest: MANIFEST };
  const verdict = authoriseImage(policy, candidate, { evidence, keys, verifier: INLINE_VERIFIER, kinds, signal });
  return { verdict, trace };
}

const SIGNED_BY = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' };

describe('the gate, while signatures are looked for', () => {
  it('stops at the first location whose signature is good', async () => {
    const { verdict, trace } = await judge([found(BAD), found(GOOD), failed('never asked')]);
    expect((await verdict).basis).toBe('signature');
    expect(trace).toEqual(['step', 1, 'step', 2]);
  });

  it('accepts an image whose good signature is elsewhere than the failure', async () => {
    const { verdict } = await judge([failed('https://sigs'), found(GOOD)]);
    expect((await verdict).basis).toBe('signature');
  });

  it('judges again only when there is another signature', async () => {
    const { verdict, trace } = await judge([found(BAD), remark('none'), remark('none')]);
    await expectFailure('POLICY_DENIED', () => verdict);
    expect(trace).toEqual(['step', 1, 'step', 'step']);
  });

  it('denies when each location was looked at, and says where', async () => {
    const { verdict } = await judge([remark('a is not there'), remark('b keeps none')]);
    const { message } = await expectFailure('POLICY_DENIED', () => verdict);
    expect(message).toBe('authorise r.io/app:1: policy, default: no good signature; a is not there; b keeps none');
  });

  it.each([
    ['nothing was found', []],
    ['a bad signature was found', [found(BAD)]],
  ])('never takes a failure for the absence of signatures: %s', async (_, before) => {
    const { verdict } = await judge([
      ...before,
      failed('https://one'),
      failed('https://two', 'REGISTRY_AUTH_REJECTED'),
    ]);
    const error = await expectFailure('SIGNATURE_UNAVAILABLE', () => verdict);
    expect(error.kind).toBe('unavailable');
    expect(error.context).toMatchObject({ reference: 'r.io/app:1', scope: 'default', origin: 'https://one' });
    expect(error.message).toContain('https://one: HTTP_UNAVAILABLE: https://one broke');
    expect(error.message).toContain('https://two: REGISTRY_AUTH_REJECTED: https://two broke');
  });

  it('names the limit when nothing else ended the search', async () => {
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', async () => {
      const { verdict } = await judge([found(BAD), failed('https://sigs', 'SIGNATURE_LIMIT_EXCEEDED')]);
      await verdict;
    });
    expect(error.kind).toBe('exhausted');
    const both = await judge([failed('https://sigs', 'SIGNATURE_LIMIT_EXCEEDED'), failed('https://down')]);
    await expectFailure('SIGNATURE_UNAVAILABLE', () => both.verdict);
  });

  it('looks for nothing when a reject decides, and for no more when a requirement cannot be verified', async () => {
    const rejected = await judge([failed('https://sigs')], [SIGNED_BY, { type: 'reject' }]);
    await expectFailure('POLICY_DENIED', () => rejected.verdict);
    expect(rejected.trace).toEqual([]);
    const unknown = { type: 'sigstoreSigned', keyPath: '/k' };
    const unsupported = await judge([found(GOOD), failed('https://sigs')], [SIGNED_BY, unknown]);
    await expectFailure('POLICY_REQUIREMENT_UNSUPPORTED', () => unsupported.verdict);
    expect(unsupported.trace).toEqual(['step', 1]);
  });
});
