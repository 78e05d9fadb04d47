import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../../src/limits/index.ts';
import {
  EKU,
  extendedKeyUsage,
  extension,
  keyUsage,
  makeCertificate,
} from '../../../support/signatures/certificate-builder.ts';
import { der, integer, octets, oid, sequence, yes } from '../../../support/signatures/der-builder.ts';
import { makeSigner } from '../../../support/signatures/sigstore-builder.ts';
import { judgeAttachment } from '../../../support/signatures/sigstore-signatures.ts';
import {
  judgedByRoot,
  rootFile,
  type Stamp,
  TSA,
  timedBundle,
  timedPayload,
} from '../../../support/sigstore/timed-signatures.ts';
import {
  algorithm,
  attribute,
  generalizedTime,
  STAMPED_AT,
  TestTimestampAuthority,
} from '../../../support/sigstore/timestamp-authority.ts';
import { trustedAuthority, trustedRootJson } from '../../../support/sigstore/trusted-root.ts';

const ONLY_TSA = { timestampAuthorities: [TSA] };
const judge = (...stamps: readonly Stamp[]) => judgeAttachment(judgedByRoot(timedBundle({ stamps }), ONLY_TSA));
const judgeBy = (tsa: TestTimestampAuthority, stamp: Stamp = {}) =>
  judgeAttachment(judgedByRoot(timedBundle({ stamps: [{ tsa, ...stamp }] }), { timestampAuthorities: [tsa] }));
const timeStamping = (isCritical: boolean, ...others: readonly string[]) =>
  extension('2.5.29.37', sequence(...[EKU.timeStamping, ...others].map(oid)), isCritical);

describe('a timestamp', () => {
  it.each<[string, Stamp]>([
    ['of the usual form', {}],
    ['that was granted with changes', { status: 1 }],
    ['of SHA-384', { hash: 'sha384', digestHash: 'sha384' }],
    ['of SHA-512', { hash: 'sha512', digestHash: 'sha512' }],
    ['with the first version of the attribute for the certificate', { isFirstVersion: true }],
    ['in whole seconds', { genTime: generalizedTime(new Date('2026-09-21T14:13:21Z')) }],
    ['in nanoseconds', { genTime: der(0x18, Buffer.from('20260921141321.123456789Z')) }],
    ['with nothing behind the time', { infoRest: [] }],
    ['with everything behind the time', { infoRest: everything(false) }],
    ['with its own certificates', { certificates: TSA.chain }],
  ])('%s is accepted', (_, stamp) => {
    expect(judge(stamp)).toMatchObject({ kind: 'accepted' });
  });

  it('may be beside timestamps of other authorities, which are not looked at', () => {
    const others = [{ tsa: new TestTimestampAuthority() }, { tsa: new TestTimestampAuthority({ subject: 'other' }) }];
    const named = others.map(({ tsa }) => ({ tsa, signerId: sequence(tsa.leaf.subject, integer(9)) }));
    expect(judge({}, ...named)).toMatchObject({ kind: 'accepted' });
    const [first] = named;
    expect(judge({}, { ...first, hash: 'md5', status: 2 })).toMatchObject({ kind: 'accepted' });
    expect(judge(...named)).toMatchObject({
      reason: 'timestamp',
      text: 'its timestamps are by other authorities; the trusted root names a timestamp authority, and no log',
    });
    // One whose signer is named by its key can be by no authority that is found by issuer and serial number.
    expect(judge({ signerId: der(0x80, Buffer.alloc(20)) })).toMatchObject({
      text: expect.stringContaining('its timestamps are by other authorities'),
    });
  });

  it('in an annotation of cosign’s first format counts as well', () => {
    const attachment = timedPayload({ stamps: [{}] });
    expect(judgeAttachment(judgedByRoot(attachment, ONLY_TSA))).toMatchObject({ kind: 'accepted' });
    const name = 'dev.sigstore.cosign/rfc3161timestamp';
    const withText = (text: string) =>
      judgeAttachment(
        judgedByRoot({ ...attachment, annotations: { ...attachment.annotations, [name]: text } }, ONLY_TSA),
      );
    expect(withText('')).toMatchObject({ reason: 'malformed', text: expect.stringContaining(`annotation ${name}`) });
    expect(withText('{}')).toMatchObject({ reason: 'malformed' });
    expect(withText('{"SignedRFC3161Timestamp":"AAAA"}')).toMatchObject({ reason: 'timestamp' });
    const { [name]: _, ...others } = attachment.annotations;
    expect(judgeAttachment(judgedByRoot({ ...attachment, annotations: others }, ONLY_TSA))).toMatchObject({
      text: expect.stringContaining('it has no timestamp'),
      remedy: expect.stringContaining('timestampAuthorities'),
    });
  });

  it('is not read where no authority is trusted', () => {
    const bundle = timedBundle({ entries: [{}], stamps: [{ change: () => Buffer.from('x') }] });
    const judged = judgedByRoot(bundle);
    expect(judgeAttachment(judged)).toMatchObject({ reason: 'timestamp' });
    expect(judgeAttachment({ ...judged, trustedRoot: undefined })).toMatchObject({ kind: 'accepted' });
  });

  it('that comes twice is refused', () => {
    const stamp = { change: (raw: Buffer) => raw };
    const bundle = timedBundle({ stamps: [stamp] });
    const material = bundle['verificationMaterial'] as { timestampVerificationData: { rfc3161Timestamps: [] } };
    const { rfc3161Timestamps: list } = material.timestampVerificationData;
    const twice = {
      ...bundle,
      verificationMaterial: { ...material, timestampVerificationData: { rfc3161Timestamps: [...list, ...list] } },
    };
    expect(judgeAttachment(judgedByRoot(twice, ONLY_TSA))).toMatchObject({ text: 'it has one timestamp twice' });
  });

  const otherSigner = makeSigner();
  const info = (text: string) => attribute('1.2.840.113549.1.9.3', oid(text));
  it.each<[string, Stamp, string]>([
    // What it is for.
    ['for another signature', { message: Buffer.from('another') }, 'its timestamp is for another signature'],
    ['for the hash of another signature', { imprint: Buffer.alloc(32) }, 'is for another signature'],
    ['for a part of the hash', { imprint: Buffer.alloc(0) }, 'is for another signature'],
    ['of SHA-1', { hash: 'sha1' }, 'its hash 1.3.14.3.2.26 is not SHA-256'],
    ['of MD5', { hash: 'md5' }, 'its hash 1.2.840.113549.2.5 is not SHA-256'],
    // The answer.
    ['that was rejected', { status: 2 }, 'the authority has not granted it (status 2)'],
    ['that waits', { status: 3 }, 'has not granted it (status 3)'],
    ['with a negative status', { status: 0xff }, 'expected a small integer'],
    ['without a token', { isEmpty: true }, 'expected a further member'],
    ['with bytes behind it', { change: (raw) => Buffer.concat([raw, Buffer.of(5, 0)]) }, 'nothing behind it'],
    ['that is cut off', { change: (raw) => raw.subarray(0, -1) }, 'cannot be read: '],
    ['that is no DER', { change: () => Buffer.from('x') }, 'cannot be read: '],
    // The token.
    ['of another type', { contentType: '1.2.840.113549.1.7.1' }, 'expected the type 1.2.840.113549.1.9.16.1.4'],
    ['without a signer', { signerInfos: () => [] }, 'expected one signer'],
    ['with two signers', { signerInfos: (own) => [own, own] }, 'expected one signer'],
    // The content.
    ['of version 2', { infoVersion: 2 }, 'expected version 1 of its content'],
    ['without a time', { genTime: integer(1) }, 'expected a value of the type 0x18'],
    ['with a UTCTime', { genTime: der(0x17, Buffer.from('260921141321Z')) }, 'expected a value of the type 0x18'],
    ['with a time in another zone', { genTime: der(0x18, Buffer.from('20260921141321+0100')) }, 'a time in UTC'],
    ['with a day that does not exist', { genTime: der(0x18, Buffer.from('20260230141321Z')) }, 'a time in UTC'],
    ['with a zero behind the second', { genTime: der(0x18, Buffer.from('20260921141321.50Z')) }, 'a time in UTC'],
    ['with a leap second', { genTime: der(0x18, Buffer.from('20261231235960Z')) }, 'expected a time in UTC'],
    ['with a further member', { infoRest: [...everything(false), integer(1)] }, 'expected no further member'],
    ['with a critical extension', { infoRest: everything(true) }, 'critical extension that is not known: 1.2.3'],
    // The signer.
    ['with another content than was signed', { messageDigest: Buffer.alloc(32) }, 'another content than its signer'],
    ['whose content is hashed with SHA-1', { digestHash: 'sha1' }, 'its hash 1.3.14.3.2.26'],
    ['with the hash of another certificate', { hashed: Buffer.from('x') }, 'by another certificate than that'],
    [
      'with the SHA-1 of another certificate',
      { hashed: Buffer.from('x'), isFirstVersion: true },
      'by another certificate than that',
    ],
    ['by another key', { signer: otherSigner }, 'its timestamp is not by the key of the authority'],
    ['with a damaged signature', { changeSignature: flipLast }, 'is not by the key of the authority'],
    ['without a signature', { changeSignature: () => Buffer.alloc(0) }, 'is not by the key of the authority'],
    [
      'with SHA-1 in its signature',
      { signer: { ...TSA.leaf.signer, hash: 'sha1' } },
      'by an algorithm that is not known: 1.2.840.10045.4.1',
    ],
    ['with the algorithm of another key', { signatureAlgorithm: algorithm('1.2.840.113549.1.1.11') }, 'not by the key'],
    ['with another algorithm', { signatureAlgorithm: algorithm('1.2.3') }, 'an algorithm that is not known: 1.2.3'],
    [
      'with parameters of its algorithm',
      { signatureAlgorithm: sequence(oid('1.2.840.10045.4.3.2'), integer(1)) },
      'no further member',
    ],
    [
      'whose type was not signed',
      { changeAttributes: ([, ...rest]) => rest },
      'expected the attribute 1.2.840.113549.1.9.3',
    ],
    [
      'of another signed type',
      { changeAttributes: ([, ...rest]) => [info('1.2.3'), ...rest] },
      'expected the type 1.2.840.113549.1.9.16.1.4, got 1.2.3',
    ],
    [
      'whose content was not signed',
      { changeAttributes: (all) => all.filter((_, at) => at !== 1) },
      'expected the attribute 1.2.840.113549.1.9.4',
    ],
    [
      'whose certificate was not signed',
      { changeAttributes: (all) => all.slice(0, -1) },
      'expected the attribute 1.2.840.113549.1.9.16.2.47',
    ],
    [
      'with an attribute twice',
      { changeAttributes: (all) => [...all, ...all.slice(0, 1)] },
      'attribute 1.2.840.113549.1.9.3 twice',
    ],
    [
      'with two values of an attribute',
      { changeAttributes: ([, ...rest]) => [attribute('1.2.840.113549.1.9.3', oid('1.2.3'), oid('1.2.3')), ...rest] },
      'expected one value of the attribute 1.2.840.113549.1.9.3',
    ],
  ])('%s is refused', (_, stamp, text) => {
    expect(judge(stamp)).toMatchObject({ reason: 'timestamp', text: expect.stringContaining(text) });
  });

  it('is refused beside a good one, if a trusted authority is said to have made it', () => {
    expect(judge({}, { message: Buffer.from('x') })).toMatchObject({ text: 'its timestamp is for another signature' });
  });
});

/** Accuracy, order, nonce, name of the authority, extensions. */
function everything(isCritical: boolean): readonly Buffer[] {
  const item = sequence(oid('1.2.3'), ...(isCritical ? [yes] : []), octets(Buffer.from('x')));
  return [sequence(integer(1)), yes, integer(7), der(0xa0, der(0x82, Buffer.from('tsa'))), der(0xa1, item)];
}

function flipLast(signature: Buffer): Buffer {
  const copy = Buffer.from(signature);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}

describe('the certificate of a timestamp authority', () => {
  it.each(['P-256', 'P-384', 'P-521', 'RSA'] as const)('may have a key of the kind %s', (kind) => {
    expect(judgeBy(new TestTimestampAuthority({ kind }))).toMatchObject({ kind: 'accepted' });
  });

  it('may be issued by an intermediate authority', () => {
    const root = makeCertificate({ subject: 'root' });
    const middle = makeCertificate({ subject: 'tsa root', issuer: root });
    const tsa = new TestTimestampAuthority({}, middle);
    const judgeChain = (...chain: readonly Uint8Array[]) => {
      const json = { ...trustedRootJson({}), timestampAuthorities: [trustedAuthority(chain, 'https://tsa.example')] };
      return judgeAttachment(judgedByRoot(timedBundle({ stamps: [{ tsa }] }), rootFile(json)));
    };
    expect(judgeChain(tsa.leaf.raw, middle.raw, root.raw)).toMatchObject({ kind: 'accepted' });
    expect(judgeChain(tsa.leaf.raw, middle.raw)).toMatchObject({ kind: 'accepted' });
    expect(judgeChain(tsa.leaf.raw, root.raw)).toMatchObject({ text: expect.stringContaining('no trusted authority') });
    expect(judgeChain(tsa.leaf.raw)).toMatchObject({ text: expect.stringContaining('no trusted authority') });
  });

  it.each<[string, ConstructorParameters<typeof TestTimestampAuthority>[0], string]>([
    ['whose use is not critical', { extensions: [keyUsage(0), timeStamping(false)] }, 'is not for timestamps alone'],
    [
      'with a second use',
      { extensions: [keyUsage(0), timeStamping(true, EKU.codeSigning)] },
      'not for timestamps alone',
    ],
    ['for code signing', { extensions: [keyUsage(0), extendedKeyUsage(EKU.codeSigning)] }, 'not for timestamps alone'],
    ['for any use', { extensions: [extension('2.5.29.37', sequence(oid(EKU.any)), true)] }, 'not for timestamps alone'],
    ['without a use', { extensions: [keyUsage(0)] }, 'not for timestamps alone'],
    ['that is not for signatures', { extensions: [keyUsage(2), timeStamping(true)] }, 'is not for digital signatures'],
    [
      'that ended before',
      { notAfter: new Date(STAMPED_AT.getTime() - 1000) },
      `and not at ${STAMPED_AT.toISOString()}`,
    ],
    ['that began afterwards', { notBefore: new Date(STAMPED_AT.getTime() + 1000) }, 'and not at'],
  ])('%s is refused', (_, leaf, text) => {
    expect(judgeBy(new TestTimestampAuthority(leaf))).toMatchObject({
      reason: 'timestamp',
      text: expect.stringContaining(text),
    });
  });

  it('has to hold at the time of the timestamp, and not now', () => {
    const tsa = new TestTimestampAuthority({ notAfter: new Date(STAMPED_AT.getTime() + 1000) });
    const judged = judgedByRoot(timedBundle({ stamps: [{ tsa }] }), { timestampAuthorities: [tsa] });
    expect(judgeAttachment({ ...judged, nowMs: Date.UTC(2035, 0) })).toMatchObject({ kind: 'accepted' });
  });

  it('is not that of an authority which ended before', () => {
    const root = makeCertificate({ subject: 'tsa root', notAfter: new Date(STAMPED_AT.getTime() - 1000) });
    expect(judgeBy(new TestTimestampAuthority({}, root))).toMatchObject({ reason: 'timestamp' });
  });
});

describe('CVE-2026-39984: checks on another certificate of the token', () => {
  const stranger = new TestTimestampAuthority({}, makeCertificate({ subject: 'stranger root' }));
  it.each([
    ['none', []],
    ['its own', TSA.chain],
    ['its own in reverse', [...TSA.chain].reverse()],
    ['one of another authority first', [...stranger.chain, ...TSA.chain]],
    ['one of another authority last', [...TSA.chain, ...stranger.chain]],
    ['one of another authority alone', stranger.chain],
    ['two that are the same', [TSA.leaf.raw, TSA.leaf.raw]],
  ] as const)('%s changes nothing', (_, certificates) => {
    expect(judge({ certificates })).toMatchObject({ kind: 'accepted' });
    // The key of another authority, whose certificate the token has, signs in the name of the trusted one.
    expect(judge({ certificates, signer: stranger.leaf.signer })).toMatchObject({
      text: 'its timestamp is not by the key of the authority',
    });
    const hashed = stranger.leaf.raw;
    expect(judge({ certificates, signer: stranger.leaf.signer, hashed })).toMatchObject({ reason: 'timestamp' });
  });

  it('a window of another authority is not borrowed', () => {
    const late = {
      ...trustedAuthority(TSA.chain, 'https://late.example'),
      validFor: { start: '2027-01-01T00:00:00Z' },
    };
    const json = { ...trustedRootJson({ timestampAuthorities: [stranger] }) };
    const list = json['timestampAuthorities'] as readonly (typeof late)[];
    const root = { ...json, timestampAuthorities: [...list, late] };
    expect(judgeAttachment(judgedByRoot(timedBundle({ stamps: [{}] }), rootFile(root)))).toMatchObject({
      text: expect.stringContaining('the authority https://late.example counts from 2027-01-01T00:00:00.000Z'),
    });
  });
});

describe('CVE-2025-66564: lengths and depths without end', () => {
  const nested = (depth: number): Buffer => (depth === 0 ? integer(1) : sequence(nested(depth - 1)));
  const stampOf = (raw: Buffer): Stamp => ({ change: () => raw });

  it.each<[string, Buffer, string]>([
    ['a length of four gigabytes', Buffer.from('3084ffffffff00', 'hex'), 'its DER ends early'],
    ['a length of eight bytes', Buffer.from('30880000000000000001', 'hex'), 'a length of no or too many bytes'],
    ['a length without end', Buffer.from('30800000', 'hex'), 'a length of no or too many bytes'],
    ['a long length for a short one', Buffer.from('3081020500', 'hex'), 'not the shortest'],
    ['33 values in each other', nested(32), 'nested deeper than 32 (maxDerDepth)'],
    ['a thousand values in each other', nested(1000), 'nested deeper than 32 (maxDerDepth)'],
    ['very many values', sequence(Buffer.alloc(30_000)), 'more than 10000 values'],
  ])('%s is refused', (_, raw, text) => {
    expect(judge(stampOf(raw))).toMatchObject({ reason: 'timestamp', text: expect.stringContaining(text) });
  });

  it('at most 32 of them are read', () => {
    const many = Array.from({ length: 33 }, (_, at) => ({ at: new Date(STAMPED_AT.getTime() + at) }));
    const judged = judgedByRoot(timedBundle({ stamps: many.slice(0, 32) }), ONLY_TSA);
    expect(judgeAttachment(judged)).toMatchObject({ kind: 'accepted' });
    expect(judgeAttachment(judgedByRoot(timedBundle({ stamps: many }), ONLY_TSA))).toMatchObject({
      reason: 'too-large',
      text: expect.stringContaining('at most 32 (maxBundleTimestamps)'),
    });
  });

  it('the depth is a limit', () => {
    const judged = judgedByRoot(timedBundle({ stamps: [{}] }), ONLY_TSA);
    const withDepth = (maxDerDepth: number) =>
      judgeAttachment({ ...judged, limits: { ...DEFAULT_LIMITS, maxDerDepth } });
    expect(withDepth(13)).toMatchObject({ kind: 'accepted' });
    expect(withDepth(12)).toMatchObject({ text: expect.stringContaining('nested deeper than 12 (maxDerDepth)') });
  });
});
