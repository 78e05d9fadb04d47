import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  bundleAttachment,
  bundleJson,
  encodeEnvelope,
  envelopeJson,
  envelopeRecord,
  envelopeRecordV2,
  hashedRecord,
  hashedRecordV2,
  type Json,
  type JsonMembers,
  payloadFor,
  signBytes,
  signPayload,
  signStatement,
  statementFor,
} from '../../../support/signatures/sigstore-builder.ts';
import {
  bundleOf,
  DIGEST,
  DOCUMENT,
  judged,
  LOG,
  OTHER_DIGEST,
  PAYLOAD,
  REPOSITORY,
  SIGNER,
  STATEMENT,
} from '../../../support/signatures/sigstore-cases.ts';
import {
  type Attachment,
  attachmentVerdict,
  digestsOf,
  judgeAttachment,
} from '../../../support/signatures/sigstore-signatures.ts';
import { TestLog } from '../../../support/sigstore/transparency-log.ts';

const ENVELOPE = signStatement(SIGNER, STATEMENT);
const PARTS = { signature: ENVELOPE.signature, content: ENVELOPE.payload, signer: SIGNER };
const CONTENT = { dsseEnvelope: envelopeJson(ENVELOPE) };
const verdict = (bundle: Json) => attachmentVerdict(judged(bundleAttachment(bundle)));

describe('a payload', () => {
  it.each([
    ['index.docker.io/library/busybox', 'busybox:1', 'accepted'],
    ['docker.io/library/busybox', 'docker.io/library/busybox:1', 'accepted'],
    ['busybox', 'docker.io/library/busybox:1', 'accepted'],
    ['index.docker.io/other/busybox', 'busybox:1', 'identity'],
    ['', 'busybox:1', 'identity'],
  ])('for %s is, for the image %s, %s', (signed, imageReference, expected) => {
    const attachment = signPayload(SIGNER, payloadFor(DIGEST, signed));
    expect(attachmentVerdict({ ...judged(attachment), imageReference })).toBe(expected);
  });

  it.each<[string, Attachment, string]>([
    ['without a signature', { ...signPayload(SIGNER, PAYLOAD), annotations: {} }, 'unsigned'],
    ['with an empty signature', withSignature(''), 'malformed'],
    ['with base64 of URLs', withSignature('-_-_'), 'malformed'],
    ['with base64 that has a line end', withSignature('AAAA\n'), 'malformed'],
    ['of GnuPG’s type', signPayload(SIGNER, retyped('atomic container signature')), 'payload'],
  ])('%s is refused', (_, attachment, reason) => {
    expect(attachmentVerdict(judged(attachment))).toBe(reason);
  });
});

function withSignature(signature: string): Attachment {
  return { ...signPayload(SIGNER, PAYLOAD), annotations: { 'dev.cosignproject.cosign/signature': signature } };
}

function retyped(type: string): JsonMembers {
  return { ...PAYLOAD, critical: { ...(PAYLOAD['critical'] as JsonMembers), type } };
}

describe('the version of a bundle', () => {
  const proof = { isPromised: false };
  it.each([
    ['application/vnd.dev.sigstore.bundle+json;version=0.1', 'accepted'],
    ['application/vnd.dev.sigstore.bundle+json;version=0.2', 'accepted'],
    ['application/vnd.dev.sigstore.bundle+json;version=0.3', 'accepted'],
    ['application/vnd.dev.sigstore.bundle.v0.3+json', 'accepted'],
    ['application/vnd.dev.sigstore.bundle.v0.1+json', 'malformed'],
    ['application/vnd.dev.sigstore.bundle.v0.2+json', 'malformed'],
    ['application/vnd.dev.sigstore.bundle.v0.4+json', 'malformed'],
    ['application/vnd.dev.sigstore.bundle.v9.9+jsonXYZ', 'malformed'],
    ['application/vnd.dev.sigstore.bundle+json; version=0.1', 'malformed'],
    ['application/vnd.dev.sigstore.bundle+json', 'malformed'],
    ['Application/vnd.dev.sigstore.bundle.v0.3+json', 'malformed'],
    ['', 'malformed'],
  ])('%s is %s', (mediaType, expected) => {
    expect(verdict(bundleJson(CONTENT, [], mediaType))).toBe(expected);
  });

  it('0.1 needs a promise, and the later ones a proof', () => {
    const early = 'application/vnd.dev.sigstore.bundle+json;version=0.1';
    const { inclusionProof: _, ...promised } = LOG.entry(envelopeRecord(PARTS));
    const proven = LOG.entry(envelopeRecord(PARTS), proof);
    const judge = (entry: JsonMembers, mediaType?: string) =>
      attachmentVerdict(judged(bundleAttachment(bundleJson(CONTENT, [entry], mediaType)), true));
    expect([judge(promised, early), judge(proven, early)]).toEqual(['accepted', 'log']);
    expect([judge(promised), judge(proven)]).toEqual(['log', 'accepted']);
  });
});

describe('the JSON of a bundle', () => {
  it('may write numbers of 64 bits as numbers or texts', () => {
    const entry = LOG.entry(envelopeRecord(PARTS), { leaf: 1, treeSize: 3 });
    const proof = entry['inclusionProof'] as JsonMembers;
    const judge = (changes: JsonMembers, ofProof: JsonMembers = {}) =>
      attachmentVerdict(
        judged(
          bundleAttachment(bundleJson(CONTENT, [{ ...entry, ...changes, inclusionProof: { ...proof, ...ofProof } }])),
          true,
        ),
      );
    expect(judge({})).toBe('accepted');
    expect(judge({ logIndex: 7, integratedTime: 1_790_000_000 }, { logIndex: 1, treeSize: 3 })).toBe('accepted');
    for (const wrong of [
      '07',
      ' 7',
      '7.0',
      '+7',
      '-7',
      '0x7',
      '9223372036854775808',
      '99999999999999999999',
      -7,
      7.5,
      '',
    ]) {
      expect(judge({ logIndex: wrong }), String(wrong)).toBe('malformed');
    }
  });

  const { verificationMaterial, ...rest } = bundleJson(CONTENT);
  const material = verificationMaterial as JsonMembers;
  const certificate = { rawBytes: 'eA==' };
  const envelope = envelopeJson(ENVELOPE);
  const [signature] = envelope['signatures'] as readonly JsonMembers[];
  it.each<[string, Json, string]>([
    ['an unknown member', { ...rest, verificationMaterial: material, x: 1 }, 'malformed'],
    ['a member by its name in the proto', { ...rest, verification_material: material }, 'malformed'],
    ['key and certificate', { ...rest, verificationMaterial: { ...material, certificate } }, 'malformed'],
    ['neither key nor certificate', { ...rest, verificationMaterial: {} }, 'malformed'],
    ['a certificate alone', { ...rest, verificationMaterial: { certificate } }, 'certificate'],
    [
      'a chain',
      { ...rest, verificationMaterial: { x509CertificateChain: { certificates: [certificate] } } },
      'certificate',
    ],
    ['no content', { mediaType: rest['mediaType'] ?? '', verificationMaterial: material }, 'malformed'],
    ['both contents', { ...rest, verificationMaterial: material, messageSignature: {} }, 'malformed'],
    ['no signature', { ...bundleJson({ dsseEnvelope: { ...envelope, signatures: [] } }) }, 'malformed'],
    [
      'two signatures',
      bundleJson({ dsseEnvelope: { ...envelope, signatures: [signature ?? '', signature ?? ''] } }),
      'malformed',
    ],
    ['base64 of URLs', bundleJson({ dsseEnvelope: { ...envelope, payload: '-_-_' } }), 'malformed'],
    [
      'base64 with a line end',
      bundleJson({ dsseEnvelope: { ...envelope, payload: `${envelope['payload']}\n` } }),
      'malformed',
    ],
  ])('with %s is refused', (_, bundle, reason) => {
    expect(verdict(bundle)).toBe(reason);
  });

  it('may name the key', () => {
    const named = { ...envelope, signatures: [{ ...signature, keyid: 'x' }] };
    expect(verdict(bundleJson({ dsseEnvelope: named }))).toBe('accepted');
  });
});

describe('a statement', () => {
  it.each(['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1'])('of type %s is read', (_type) => {
    expect(attachmentVerdict(judged(bundleOf({ ...STATEMENT, _type })))).toBe('accepted');
  });

  it('counts by the name of the subject that is the image', () => {
    const identity = { type: 'matchRepository' } as const;
    const [other] = statementFor(OTHER_DIGEST)['subject'] as readonly JsonMembers[];
    const [own] = STATEMENT['subject'] as readonly JsonMembers[];
    const judge = (subject: readonly JsonMembers[]) =>
      judgeAttachment({ ...judged(bundleOf({ ...STATEMENT, subject })), identity });
    expect(judge([{ ...own, name: REPOSITORY }])).toMatchObject({ kind: 'accepted', signedReference: REPOSITORY });
    expect(judge([{ ...other, name: REPOSITORY }, { ...own }])).toMatchObject({ reason: 'identity' });
    expect(
      judge([
        { ...own, name: 'x.example/y' },
        { ...own, name: REPOSITORY },
      ]),
    ).toMatchObject({ kind: 'accepted' });
    expect(judge([{ ...own, name: '' }])).toMatchObject({ text: expect.stringContaining('it names no image') });
    expect(judge([{ ...own, name: 'No Reference' }])).toMatchObject({ reason: 'identity', remedy: undefined });
    expect(judge([{ ...other, name: REPOSITORY }])).toMatchObject({ reason: 'digest' });
  });

  it('may name the image by SHA-512', () => {
    expect(attachmentVerdict(judged(bundleOf(statementFor(digestsOf(DOCUMENT)[1] ?? ''))))).toBe('accepted');
    expect(attachmentVerdict(judged(bundleOf(statementFor(DIGEST.toUpperCase().replace('SHA256', 'sha256')))))).toBe(
      'payload',
    );
  });
});

describe('a message signature', () => {
  const hash = (algorithm: string, bytes: string) => createHash(algorithm).update(bytes).digest('base64');
  const message = (bytes: string, algorithm = 'SHA2_256', digest = hash('sha256', bytes)) => ({
    messageSignature: {
      messageDigest: { algorithm, digest },
      signature: signBytes(SIGNER, Buffer.from(bytes)).toString('base64'),
    },
  });

  it('over the bytes of the manifest counts without a name', () => {
    expect(verdict(bundleJson(message(DOCUMENT)))).toBe('accepted');
    expect(verdict(bundleJson(message(DOCUMENT, 'SHA2_512', hash('sha512', DOCUMENT))))).toBe('accepted');
    const identity = { type: 'matchRepository' } as const;
    expect(attachmentVerdict({ ...judged(bundleAttachment(bundleJson(message(DOCUMENT)))), identity })).toBe(
      'identity',
    );
  });

  it.each([
    ['other bytes', message(`${DOCUMENT} `), 'digest'],
    [
      'other bytes with the digest of the manifest',
      message(`${DOCUMENT} `, 'SHA2_256', hash('sha256', DOCUMENT)),
      'not-authentic',
    ],
    ['the manifest, with the digest of other bytes', message(DOCUMENT, 'SHA2_256', hash('sha256', 'x')), 'digest'],
    ['the manifest, with SHA-1', message(DOCUMENT, 'SHA1', hash('sha1', DOCUMENT)), 'malformed'],
  ])('over %s is refused', (_, content, reason) => {
    expect(verdict(bundleJson(content))).toBe(reason);
  });

  it('is found in a log as the record of a hash', () => {
    const content = message(DOCUMENT);
    const signature = Buffer.from(content.messageSignature.signature, 'base64');
    const record = { signature, content: Buffer.from(DOCUMENT), signer: SIGNER };
    const judge = (body: JsonMembers) =>
      attachmentVerdict(judged(bundleAttachment(bundleJson(content, [LOG.entry(body)])), true));
    expect([judge(hashedRecord(record)), judge(hashedRecordV2(record)), judge(envelopeRecord(record))]).toEqual([
      'accepted',
      'accepted',
      'log',
    ]);
  });
});

describe('an entry of a log', () => {
  const judge = (entry: JsonMembers, log = LOG) =>
    judgeAttachment({
      ...judged(bundleAttachment(bundleJson(CONTENT, [entry])), true),
      logKeys: [log.signer.publicKey],
    });

  it('is found in a tree of any size, at any leaf', () => {
    for (let treeSize = 1; treeSize <= 9; treeSize++) {
      for (let leaf = 0; leaf < treeSize; leaf++) {
        const entry = LOG.entry(envelopeRecord(PARTS), { isPromised: false, leaf, treeSize });
        expect(judge(entry).kind, `${leaf} of ${treeSize}`).toBe('accepted');
        const proof = entry['inclusionProof'] as JsonMembers;
        const other = { ...entry, inclusionProof: { ...proof, logIndex: String((leaf + 1) % (treeSize + 1)) } };
        expect(judge(other), `${leaf} of ${treeSize}`).toMatchObject({ reason: 'log' });
      }
    }
  });

  it.each(['P-256', 'Ed25519'] as const)(
    'of Rekor’s second version is proven by its checkpoint, with a key %s',
    (kind) => {
      const log = new TestLog(kind);
      const content = encodeEnvelope(ENVELOPE.payloadType, ENVELOPE.payload);
      for (const record of [envelopeRecordV2(PARTS), hashedRecordV2({ ...PARTS, content })]) {
        const entry = log.entry(record, { isPromised: false, leaf: 2, treeSize: 5 });
        expect(judge(entry, log)).toMatchObject({ kind: 'accepted', signer: { loggedAt: undefined } });
        expect(judge(entry, new TestLog(kind))).toMatchObject({ reason: 'log' });
      }
    },
  );

  const entry = LOG.entry(envelopeRecord(PARTS), { isPromised: false, leaf: 1, treeSize: 2 });
  const proof = entry['inclusionProof'] as JsonMembers;
  const checkpoint = String((proof['checkpoint'] as JsonMembers)['envelope']);
  const elsewhere = LOG.proof(Buffer.from('another entry'), { leaf: 1, treeSize: 2 });
  const withProof = (changes: JsonMembers) => ({ ...entry, inclusionProof: { ...proof, ...changes } });
  it.each<[string, JsonMembers, string]>([
    ['the proof of another entry', withProof(elsewhere), 'is not in the tree of its checkpoint'],
    [
      'the checkpoint of another tree',
      withProof({ checkpoint: elsewhere['checkpoint'] ?? '' }),
      'checkpoint of another tree',
    ],
    ['another size', withProof({ treeSize: '3' }), 'checkpoint of another tree'],
    ['an index beyond the tree', withProof({ logIndex: '2' }), 'index beyond its tree'],
    ['no hashes', withProof({ hashes: [] }), 'too few hashes'],
    ['a further hash', withProof({ hashes: [...(proof['hashes'] as []), 'eA=='] }), 'too many hashes'],
    [
      'a checkpoint that another log signed',
      withProof({ checkpoint: { envelope: checkpoint.replace('log.example', 'x') } }),
      'not by the log',
    ],
    [
      'a checkpoint without a signature',
      withProof({ checkpoint: { envelope: `${checkpoint.split('\n\n')[0]}\n\n` } }),
      'not by the log',
    ],
    [
      'a checkpoint that is none',
      withProof({ checkpoint: { envelope: 'x' } }),
      'checkpoint of its log entry cannot be read',
    ],
    [
      'another kind',
      { ...entry, kindVersion: { kind: 'hashedrekord', version: '0.0.1' } },
      'another kind than the bundle says',
    ],
  ])('with %s is refused', (_, changed, text) => {
    expect(judge(changed)).toMatchObject({ kind: 'refused', text: expect.stringContaining(text) });
  });

  it.each(['intoto', 'rekord', 'x'])('of the kind %s is refused by name', (kind) => {
    const record = { ...envelopeRecord(PARTS), kind };
    expect(judge(LOG.entry(record))).toMatchObject({
      reason: 'log',
      text: expect.stringContaining(`of the kind "${kind}"`),
    });
  });
});
