import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { describeJudgement, type GateReport, summarizeJudgement } from '../../../src/signature/index.ts';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import type { Evidence, RawSignature } from '../../../src/signature/types.ts';
import { authoriseSigned } from '../../support/signatures/gate.ts';
import { attachmentOf, publicKey, signedImage } from '../../support/signatures/sigstore-signatures.ts';
import {
  INLINE_VERIFIER,
  SIGNED_MANIFEST,
  SIGNED_REFERENCE,
  signingKey,
  simpleSignature,
} from '../../support/signatures/simple-signatures.ts';

const SIGNED_BY = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/keys/ed25519' };
const ACCEPT = { type: 'insecureAcceptAnything' };
const REJECT = { type: 'reject' };

function found(...names: readonly string[]): Evidence {
  const signatures = names.map((name, position): RawSignature => {
    const origin = `https://user:secret@sigs.example/app/signature-${position + 1}`;
    return { rawBytes: simpleSignature(name), mediaType: '', annotations: {}, origin };
  });
  return { ...NO_EVIDENCE, signatures };
}

interface Judged {
  readonly requirements?: readonly unknown[];
  readonly evidence?: readonly Evidence[];
  readonly reference?: string;
  readonly examinesAll?: boolean;
}

/** Asks the gate, and returns its report and the code of its refusal. */
async function judge({
  requirements = [SIGNED_BY],
  evidence = [found('ed25519')],
  reference = SIGNED_REFERENCE,
  examinesAll = false,
}: Judged = {}): Promise<{ readonly report: GateReport | undefined; readonly code: string | undefined }> {
  const reports: GateReport[] = [];
  const candidate = { indexes: [], manifest: SIGNED_MANIFEST };
  const asked = { requirements, candidate, reference, evidence, examinesAll, reports };
  const gate = { ...asked, verifier: INLINE_VERIFIER, readKey: signingKey, loaded: [] };
  const code = await authoriseSigned(gate).then(
    () => undefined,
    (error: unknown) => (error instanceof SealiftError ? error.code : 'none'),
  );
  expect(reports.length).toBeLessThanOrEqual(1);
  return { report: reports[0], code };
}

async function described(judged?: Judged) {
  const { report, code } = await judge(judged);
  if (report === undefined) throw new Error('expected a report');
  return { ...describeJudgement(report), code };
}

const verdictsOf = ({ requirements }: Awaited<ReturnType<typeof described>>) =>
  requirements.map(({ type, verdict, signatures }) => [type, verdict, ...signatures.map((each) => each.verdict)]);

describe('the report of the gate', () => {
  it('names scope, keys, and each signature with its location, author, time and verdict', async () => {
    const report = await described({ evidence: [found('nistp256', 'ed25519')] });
    expect(report).toMatchObject({ scope: 'default', code: undefined, failures: [], remarks: [] });
    expect(report.requirements).toEqual([
      {
        type: 'signedBy',
        keys: 'keyPath /keys/ed25519',
        verdict: 'accepted',
        reason: undefined,
        signatures: [
          expect.objectContaining({
            kind: 'simple-signing',
            verdict: 'refused',
            reason: 'unknown-key',
            author: undefined,
          }),
          {
            kind: 'simple-signing',
            origin: expect.stringMatching(/sigs\.example\/app\/signature-2$/),
            verdict: 'accepted',
            reason: undefined,
            text: undefined,
            remedy: undefined,
            author: {
              kind: 'openpgp',
              fingerprint: expect.stringMatching(/^[0-9A-F]{40}$/),
              signedAt: '2026-02-01T00:00:00.000Z',
            },
            signedReference: SIGNED_REFERENCE,
          },
        ],
      },
    ]);
    expect(JSON.stringify(report)).not.toContain('secret');
  });

  it('is made for a denial as well, with the author of a signature for another name', async () => {
    const report = await described({ reference: 'registry.example/team/app:2' });
    expect(report.code).toBe('POLICY_DENIED');
    expect(report.requirements).toMatchObject([
      {
        verdict: 'denied',
        reason: expect.stringContaining('the signature does not count'),
        signatures: [
          { verdict: 'refused', reason: 'identity', author: { kind: 'openpgp' }, remedy: expect.any(String) },
        ],
      },
    ]);
  });

  it('stops at the first good signature, as the gate does, unless all are to be examined', async () => {
    const evidence = [found('ed25519', 'detached', 'ed25519')];
    expect(verdictsOf(await described({ evidence }))).toEqual([
      ['signedBy', 'accepted', 'accepted', 'not-checked', 'not-checked'],
    ]);
    expect(verdictsOf(await described({ evidence, examinesAll: true }))).toEqual([
      ['signedBy', 'accepted', 'accepted', 'refused', 'accepted'],
    ]);
  });

  it.each<[string, Judged, unknown[][], string | undefined]>([
    [
      'a reject beside a signature',
      { requirements: [SIGNED_BY, REJECT] },
      [
        ['signedBy', 'not-judged'],
        ['reject', 'denied'],
      ],
      'POLICY_DENIED',
    ],
    ['what accepts anything', { requirements: [ACCEPT] }, [['insecureAcceptAnything', 'accepted']], undefined],
    ['no signature', { evidence: [NO_EVIDENCE] }, [['signedBy', 'denied']], 'POLICY_DENIED'],
    [
      'a type of keys that no tool has',
      { requirements: [{ ...SIGNED_BY, keyType: 'X509Certificates' }] },
      [['signedBy', 'unsupported']],
      'POLICY_REQUIREMENT_UNSUPPORTED',
    ],
    [
      'keys that cannot be read',
      { requirements: [{ ...SIGNED_BY, keyPath: '/keys/secret' }] },
      [['signedBy', 'not-judged']],
      'POLICY_INVALID',
    ],
  ])('says how each requirement decided: %s', async (_, judged, verdicts, code) => {
    const report = await described(judged);
    expect([verdictsOf(report), report.code]).toEqual([verdicts, code]);
  });

  it('names locations that could not be read, and those without signatures', async () => {
    const error = new SealiftError('HTTP_UNAVAILABLE', 'got 503');
    const failures = [{ origin: 'https://user:secret@sigs.example', error }];
    const report = await described({ evidence: [{ ...NO_EVIDENCE, failures, remarks: ['x is not there'] }] });
    expect(report).toMatchObject({
      code: 'SIGNATURE_UNAVAILABLE',
      failures: [{ code: 'HTTP_UNAVAILABLE', message: 'got 503' }],
      remarks: ['x is not there'],
    });
    expect(JSON.stringify(report)).not.toContain('secret');
  });

  it('says the kind of an attachment, and who made one for another name', async () => {
    const image = signedImage('legacy-p256');
    const { mediaType, annotations, content } = attachmentOf(image);
    const layer = { rawBytes: Buffer.from(content), annotations, origin: 'o' };
    const signatures = [
      { ...layer, mediaType },
      { ...layer, mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json' },
      { ...layer, mediaType: 'application/x-secret' },
    ];
    const keyData = Buffer.from(publicKey('p256')).toString('base64');
    const requirement = { type: 'sigstoreSigned', keyData, signedIdentity: { type: 'matchRepository' } };
    const report = await described({ requirements: [requirement], evidence: [{ ...NO_EVIDENCE, signatures }] });
    const [judged] = report.requirements;
    expect(judged?.keys).toBe('keyData');
    expect(judged?.signatures.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['sigstore-payload', 'refused'],
      ['sigstore-bundle', 'refused'],
      ['other', 'refused'],
    ]);
    expect(judged?.signatures[0]).toMatchObject({
      reason: 'digest',
      author: { kind: 'sigstore-key', key: 'in keyData' },
    });
  });
});

describe('the numbers of a judgement', () => {
  const numbers = async (judged: Judged, result: Parameters<typeof summarizeJudgement>[1]) =>
    summarizeJudgement((await judge(judged)).report, result);

  it('count each requirement that was judged, and each signature', async () => {
    const evidence = [found('nistp256', 'ed25519', 'ed25519')];
    expect(await numbers({ requirements: [ACCEPT, SIGNED_BY], evidence }, 'accepted')).toEqual({
      requirements: [
        { type: 'insecureAcceptAnything', result: 'accepted' },
        { type: 'signedBy', result: 'accepted' },
      ],
      signatures: [
        { kind: 'simple-signing', result: 'unknown-key' },
        { kind: 'simple-signing', result: 'accepted' },
        { kind: 'simple-signing', result: 'not-checked' },
      ],
    });
  });

  it('say whether a denial is one, or only unavailable', async () => {
    const evidence = [NO_EVIDENCE];
    const [denied] = (await numbers({ evidence }, 'denied')).requirements;
    const [unavailable] = (await numbers({ evidence }, 'unavailable')).requirements;
    expect([denied?.result, unavailable?.result]).toEqual(['denied', 'unavailable']);
  });

  it('leave out a requirement that did not matter, and count those that failed', async () => {
    const rejected = await numbers({ requirements: [SIGNED_BY, REJECT] }, 'denied');
    expect(rejected.requirements).toEqual([{ type: 'reject', result: 'denied' }]);
    const unread = await numbers({ requirements: [{ ...SIGNED_BY, keyPath: '/keys/secret' }] }, 'invalid');
    expect(unread.requirements).toEqual([{ type: 'signedBy', result: 'invalid' }]);
  });

  it('have a name for images that no requirement has judged', () => {
    expect(summarizeJudgement(undefined, 'accepted').requirements).toEqual([{ type: 'none', result: 'accepted' }]);
  });
});
