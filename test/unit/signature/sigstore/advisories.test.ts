import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../../src/limits/index.ts';
import {
  bundleAttachment,
  bundleJson,
  encodeEnvelope,
  envelopeJson,
  envelopeRecord,
  hashedRecord,
  type JsonMembers,
  signPayload,
  signStatement,
  statementFor,
} from '../../../support/signatures/sigstore-builder.ts';
import {
  bundleOf,
  DIGEST,
  judged,
  LOG,
  loggedBundle,
  loggedPayload,
  OTHER_DIGEST,
  PAYLOAD,
  SIGNER,
  STATEMENT,
  STRANGER,
} from '../../../support/signatures/sigstore-cases.ts';
import { attachmentVerdict, judgeAttachment } from '../../../support/signatures/sigstore-signatures.ts';
import { TestLog } from '../../../support/sigstore/transparency-log.ts';

const OTHER = Buffer.from('of another signature');

/** Each of digest, signature and key of a log entry exchanged alone. */
const EXCHANGED = [
  ['digest', { content: OTHER }, 'is about other content'],
  ['signature', { signature: OTHER }, 'is about another signature'],
  ['key', { signer: STRANGER }, 'is about another key'],
] as const;

describe('CVE-2022-36056, CVE-2022-23649 and CVE-2026-22703: the log entry of another signature', () => {
  const signed = signPayload(SIGNER, PAYLOAD);
  const signature = Buffer.from(signed.annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64');
  const payloadRecord = { signature, content: Buffer.from(signed.content), signer: SIGNER };
  const withLog = (bundle: string) => ({
    ...signed,
    annotations: { ...signed.annotations, 'dev.sigstore.cosign/bundle': bundle },
  });
  const envelope = signStatement(SIGNER, STATEMENT);
  const envelopeParts = { signature: envelope.signature, content: envelope.payload, signer: SIGNER };
  const bundleWith = (record: JsonMembers) =>
    bundleAttachment(bundleJson({ dsseEnvelope: envelopeJson(envelope) }, [LOG.entry(record)]));

  it('positive control: the entry of the signature itself is accepted', () => {
    expect(attachmentVerdict(judged(withLog(LOG.annotation(hashedRecord(payloadRecord))), true))).toBe('accepted');
    expect(attachmentVerdict(judged(bundleWith(envelopeRecord(envelopeParts)), true))).toBe('accepted');
    const content = encodeEnvelope(envelope.payloadType, envelope.payload);
    expect(attachmentVerdict(judged(bundleWith(hashedRecord({ ...envelopeParts, content })), true))).toBe('accepted');
  });

  it.each(EXCHANGED)('a promise for another %s is refused', (_, change, text) => {
    const attachment = withLog(LOG.annotation(hashedRecord({ ...payloadRecord, ...change })));
    expect(judgeAttachment(judged(attachment, true))).toMatchObject({ reason: 'log', text: `its log entry ${text}` });
  });

  it.each(EXCHANGED)('a bundle’s entry for another %s is refused', (_, change, text) => {
    const attachment = bundleWith(envelopeRecord({ ...envelopeParts, ...change }));
    expect(judgeAttachment(judged(attachment, true))).toMatchObject({ reason: 'log', text: `its log entry ${text}` });
  });
});

describe('CVE-2026-39395 (GHSA-w6c6-c85g-mmv6), CVE-2022-35929 and CVE-2022-35930: no signature, but an attestation or an unreadable payload', () => {
  it.each([
    ['a provenance', { ...STATEMENT, predicateType: 'https://slsa.dev/provenance/v1' }, 'predicate'],
    [
      'a predicate that begins with cosign’s',
      { ...STATEMENT, predicateType: 'https://sigstore.dev/cosign/sign/v1/x' },
      'predicate',
    ],
    ['an empty predicate type', { ...STATEMENT, predicateType: '' }, 'predicate'],
    ['a text', Buffer.from('no JSON'), 'payload'],
    ['an empty object', {}, 'payload'],
    ['a list', Buffer.from('[]'), 'payload'],
    ['a statement without subjects', { ...STATEMENT, subject: [] }, 'payload'],
    ['a statement of version 2', { ...STATEMENT, _type: 'https://in-toto.io/Statement/v2' }, 'payload'],
  ] as const)('%s is refused', (_, statement, reason) => {
    expect(attachmentVerdict(judged(bundleOf(Buffer.isBuffer(statement) ? statement : statement)))).toBe(reason);
  });

  it('another payload type is refused', () => {
    const envelope = signStatement(SIGNER, STATEMENT, 'application/json');
    const attachment = bundleAttachment(bundleJson({ dsseEnvelope: envelopeJson(envelope) }));
    expect(attachmentVerdict(judged(attachment))).toBe('payload');
  });

  it('a payload of cosign’s first format that is no JSON is refused', () => {
    expect(attachmentVerdict(judged(signPayload(SIGNER, Buffer.from('x'))))).toBe('payload');
  });
});

describe('CVE-2024-29902: a payload or bundle without end', () => {
  it.each([signPayload(SIGNER, PAYLOAD), bundleOf(STATEMENT)])('is refused by its size', (attachment) => {
    const limits = { ...DEFAULT_LIMITS, maxSignatureBytes: attachment.content.length };
    expect(attachmentVerdict({ ...judged(attachment), limits })).toBe('accepted');
    const less = { ...limits, maxSignatureBytes: attachment.content.length - 1 };
    const verdict = judgeAttachment({ ...judged(attachment), limits: less });
    expect(verdict).toMatchObject({ reason: 'too-large', text: expect.stringContaining('maxSignatureBytes') });
  });
});

describe('CVE-2024-45395: thousands of items in a bundle', () => {
  const entry = LOG.entry(envelopeRecord({ signature: OTHER, content: OTHER, signer: SIGNER }));
  const content = { dsseEnvelope: envelopeJson(signStatement(SIGNER, STATEMENT)) };
  const many = <Item>(item: Item, count: number) => Array.from({ length: count }, () => item);
  const withMaterial = (members: JsonMembers) => {
    const bundle = bundleJson(content);
    return bundleAttachment({ ...bundle, verificationMaterial: members });
  };
  const subjects = (count: number) => ({
    ...STATEMENT,
    subject: [...many({ digest: { sha256: '0'.repeat(64) } }, count - 1), ...(STATEMENT['subject'] as [])],
  });
  const proof = (hashes: number, checkpoint = 'x') => ({
    ...entry,
    inclusionProof: {
      rootHash: 'eA==',
      treeSize: '1',
      hashes: many('eA==', hashes),
      checkpoint: { envelope: checkpoint },
    },
  });
  const digests = (count: number) => ({
    ...STATEMENT,
    subject: (STATEMENT['subject'] as { digest: object }[]).map((each) => ({
      ...each,
      digest: {
        ...each.digest,
        ...Object.fromEntries(Array.from({ length: count - 1 }, (_, at) => [`x${at}`, 'y'])),
      },
    })),
  });
  const publicKey = { hint: 'x' };
  const timestampOf = (at: number) => Buffer.of(1, at).toString('base64');
  const indexed = (count: number) => many(entry, count).map((each, logIndex) => ({ ...each, logIndex }));

  it.each([
    ['maxBundleLogEntries', 32, (count: number) => withMaterial({ publicKey, tlogEntries: indexed(count) })],
    [
      'maxBundleTimestamps',
      32,
      (count: number) =>
        withMaterial({
          publicKey,
          timestampVerificationData: {
            rfc3161Timestamps: Array.from({ length: count }, (_, at) => ({ signedTimestamp: timestampOf(at) })),
          },
        }),
    ],
    [
      'maxBundleCertificates',
      10,
      (count: number) => withMaterial({ x509CertificateChain: { certificates: many({ rawBytes: 'eA==' }, count) } }),
    ],
    ['maxStatementSubjects', 1024, (count: number) => bundleOf(subjects(count))],
    ['maxInclusionHashes', 64, (count: number) => withMaterial({ publicKey, tlogEntries: [proof(count)] })],
    [
      'maxCheckpointBytes',
      16 * 1024,
      (count: number) => withMaterial({ publicKey, tlogEntries: [proof(0, 'x'.repeat(count))] }),
    ],
  ] as const)('is refused beyond %s, %d, before a signature is verified', (limit, most, attachment) => {
    // No key verifies anything.
    const keys = [STRANGER.publicKey];
    expect(DEFAULT_LIMITS[limit]).toBe(most);
    const within = judgeAttachment({ ...judged(attachment(most)), keys });
    expect(within).toMatchObject({ reason: limit === 'maxBundleCertificates' ? 'certificate' : 'not-authentic' });
    const beyond = judgeAttachment({ ...judged(attachment(most + 1)), keys });
    expect(beyond).toMatchObject({ reason: 'too-large', text: expect.stringContaining(`at most ${most} (${limit})`) });
    expect(
      judgeAttachment({ ...judged(attachment(10)), keys, limits: { ...DEFAULT_LIMITS, [limit]: 9 } }),
    ).toMatchObject({
      reason: 'too-large',
    });
  });

  it('digests of one subject', () => {
    expect(attachmentVerdict(judged(bundleOf(digests(32))))).toBe('accepted');
    expect(judgeAttachment(judged(bundleOf(digests(33))))).toMatchObject({
      reason: 'payload',
      text: expect.stringContaining('expected at most 32'),
    });
  });

  it('signatures of one envelope', () => {
    const envelope = envelopeJson(signStatement(SIGNER, STATEMENT));
    const signatures = many({}, 100);
    const attachment = bundleAttachment(bundleJson({ dsseEnvelope: { ...envelope, signatures } }));
    expect(judgeAttachment(judged(attachment))).toMatchObject({
      reason: 'malformed',
      text: expect.stringContaining('expected at most 32 items'),
    });
  });
});

describe('GHSA-9vcr-p3rj-q5q6: one log counted twice', () => {
  it('an entry of a trusted log does not vouch for one of another log', () => {
    const bundle = loggedBundle();
    const other = new TestLog();
    const record = envelopeRecord({ signature: OTHER, content: OTHER, signer: SIGNER });
    const entries = (bundle['verificationMaterial'] as JsonMembers)['tlogEntries'] as readonly JsonMembers[];
    const withEntries = (tlogEntries: readonly JsonMembers[]) =>
      bundleAttachment({ ...bundle, verificationMaterial: { publicKey: { hint: 'x' }, tlogEntries } });
    // One entry of a trusted log is what a requirement asks for, and entries of other logs are not looked at.
    expect(attachmentVerdict(judged(withEntries(entries), true))).toBe('accepted');
    expect(attachmentVerdict(judged(withEntries([...entries, other.entry(record)]), true))).toBe('accepted');
    expect(attachmentVerdict(judged(withEntries([other.entry(record)]), true))).toBe('log');
    expect(judgeAttachment(judged(withEntries([...entries, ...entries]), true))).toMatchObject({
      reason: 'log',
      text: 'it has one log entry twice',
    });
    // All entries of the trusted log have to hold.
    expect(
      attachmentVerdict(
        judged(withEntries([...entries, { ...LOG.entry(record, { isPromised: false }), logIndex: '8' }]), true),
      ),
    ).toBe('log');
  });
});

describe('sigstore-js #1659: a time without a promise', () => {
  it('is not taken for the time of the signature', () => {
    const bundle = loggedBundle();
    const [entry] = (bundle['verificationMaterial'] as JsonMembers)['tlogEntries'] as readonly JsonMembers[];
    const { inclusionPromise, ...unpromised } = entry ?? {};
    const judge = (member: JsonMembers) =>
      judgeAttachment(
        judged(
          bundleAttachment({ ...bundle, verificationMaterial: { publicKey: { hint: 'x' }, tlogEntries: [member] } }),
          true,
        ),
      );
    expect(judge({ ...unpromised, inclusionPromise: inclusionPromise ?? {} })).toMatchObject({
      signer: { loggedAt: '2026-09-21T14:13:20.000Z' },
    });
    expect(judge(unpromised)).toMatchObject({ kind: 'accepted', signer: { loggedAt: undefined } });
  });
});

describe('CVE-2026-24117 and CVE-2026-23831: a key by its address, and null', () => {
  const change = (publicKey: JsonMembers | null) => (record: JsonMembers) => {
    const spec = record['spec'] as JsonMembers;
    return { ...record, spec: { ...spec, signature: { ...(spec['signature'] as JsonMembers), publicKey } } };
  };

  it.each([
    ['an address', { url: 'http://127.0.0.1:1/key' }],
    ['an address beside a key', { content: 'eA==', url: 'http://127.0.0.1:1/key' }],
    ['null', null],
    ['nothing', {}],
  ])('%s is refused, and nothing is fetched', (_, publicKey) => {
    const verdict = judgeAttachment(judged(loggedPayload(change(publicKey)), true));
    expect(verdict).toMatchObject({ reason: 'log', text: expect.stringContaining('spec.signature.publicKey') });
  });
});

describe('policy-controller #1971: a referrer with the statement of a good signature, and without one', () => {
  const content = envelopeJson(signStatement(SIGNER, STATEMENT));
  const [signature] = content['signatures'] as readonly JsonMembers[];
  const judge = (changes: JsonMembers) =>
    attachmentVerdict(judged(bundleAttachment(bundleJson({ dsseEnvelope: { ...content, ...changes } }))));

  it('is refused', () => {
    expect(judge({})).toBe('accepted');
    const other = Buffer.from(JSON.stringify({ ...STATEMENT, predicate: { forged: true } })).toString('base64');
    expect(judge({ payload: other })).toBe('not-authentic');
    expect(judge({ signatures: [{ ...signature, sig: OTHER.toString('base64') }] })).toBe('not-authentic');
    const signed = signPayload(SIGNER, PAYLOAD).annotations['dev.cosignproject.cosign/signature'] ?? '';
    expect(judge({ signatures: [{ sig: signed }] })).toBe('not-authentic');
  });
});

describe('CVE-2022-35929: a good signature of another image', () => {
  it('is refused, also beside a digest of this image', () => {
    expect(attachmentVerdict(judged(bundleOf(statementFor(OTHER_DIGEST))))).toBe('digest');
    const hex = DIGEST.slice('sha256:'.length);
    const mixed = { ...STATEMENT, subject: [{ digest: { sha256: hex, sha512: '0'.repeat(128) } }] };
    expect(attachmentVerdict(judged(bundleOf(mixed)))).toBe('digest');
    const beside = { ...STATEMENT, subject: [{ digest: { sha256: hex, gitCommit: 'x' } }] };
    expect(attachmentVerdict(judged(bundleOf(beside)))).toBe('accepted');
  });
});
