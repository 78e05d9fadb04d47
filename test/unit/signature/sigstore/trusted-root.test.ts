import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../../src/limits/index.ts';
import { readTrustedRoot } from '../../../../src/signature/sigstore/trusted-root/read-trusted-root.ts';
import { expectFailure } from '../../../support/matchers.ts';
import { makeCertificate } from '../../../support/signatures/certificate-builder.ts';
import { ROOT as FULCIO_ROOT, IDENTITY, INTERMEDIATE } from '../../../support/signatures/certificate-cases.ts';
import { type Json, type JsonMembers, makeSigner } from '../../../support/signatures/sigstore-builder.ts';
import { LOG } from '../../../support/signatures/sigstore-cases.ts';
import { type JudgedAttachment, judgeAttachment } from '../../../support/signatures/sigstore-signatures.ts';
import {
  judgedByRoot,
  rootFile,
  SECOND_LOG,
  TRUSTED,
  TSA,
  timedBundle,
} from '../../../support/sigstore/timed-signatures.ts';
import { STAMPED_AT } from '../../../support/sigstore/timestamp-authority.ts';
import { INTEGRATED_TIME, TestLog } from '../../../support/sigstore/transparency-log.ts';
import {
  TRUSTED_ROOT_TYPE,
  TRUSTED_ROOT_TYPE_02,
  trustedLog,
  trustedRootJson,
} from '../../../support/sigstore/trusted-root.ts';

const CT_LOG = makeSigner();
const ROOT = trustedRootJson({ ...TRUSTED, authorities: [[INTERMEDIATE.raw, FULCIO_ROOT.raw]], ctLogs: [CT_LOG] });
const read = (root: Json | string, limits = DEFAULT_LIMITS) => readTrustedRoot(rootFile(root), limits);

type Path = readonly (string | number)[];

/** A copy in which what is at `path` is another value, or is not there. */
function changed(value: Json, path: Path, other: Json | undefined): Json {
  const [step, ...rest] = path;
  if (step === undefined) return other ?? {};
  if (Array.isArray(value)) {
    return (value as readonly Json[]).map((item, at) => (at === step ? changed(item, rest, other) : item));
  }
  const { [step]: member = null, ...others } = value as JsonMembers;
  if (rest.length === 0 && other === undefined) return others;
  return { ...others, [step]: rest.length === 0 ? (other ?? null) : changed(member, rest, other) };
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

describe('a trusted root', () => {
  it('is read: logs, authorities and their windows', () => {
    const root = read(ROOT);
    expect(root.logs.map(({ key, address }) => [key.kind, address])).toEqual([
      ['P-256', `https://${LOG.origin}`],
      ['Ed25519', 'https://log2.example'],
    ]);
    expect(root.ctLogs).toHaveLength(1);
    expect(root.certificateAuthorities).toMatchObject([{ name: 'https://fulcio.example' }]);
    expect(root.timestampAuthorities).toMatchObject([{ name: 'https://tsa.example', certificates: TSA.chain }]);
    expect(root.logs[0]?.validFor).toEqual({
      start: new Date('2026-01-01T00:00:00Z'),
      end: new Date('2027-01-01T00:00:00Z'),
    });
  });

  it.each([TRUSTED_ROOT_TYPE, 'application/vnd.dev.sigstore.trustedroot.v0.1+json', TRUSTED_ROOT_TYPE_02])(
    'of the type %s is read',
    (mediaType) => {
      expect(read({ ...ROOT, mediaType }).logs).toHaveLength(2);
    },
  );

  it('may leave out lists, ends and names', () => {
    const { tlogs, mediaType } = ROOT;
    const open = changed(tlogs ?? [], [0, 'publicKey', 'validFor', 'end'], undefined);
    const root = read({ mediaType: mediaType ?? '', tlogs: open });
    expect(root).toMatchObject({ ctLogs: [], certificateAuthorities: [], timestampAuthorities: [] });
    expect(root.logs[0]?.validFor.end).toBeUndefined();
    const nameless = changed(ROOT, ['timestampAuthorities', 0, 'subject'], undefined);
    expect(read(nameless).timestampAuthorities).toHaveLength(1);
    expect(read(changed(ROOT, ['tlogs', 0, 'operator'], 'team')).logs).toHaveLength(2);
    // `cosign trusted-root create` writes no addresses unless it is given some.
    const unnamed = changed(changed(ROOT, ['tlogs', 1, 'baseUrl'], undefined), ['timestampAuthorities', 0, 'uri'], '');
    expect(read(unnamed)).toMatchObject({
      logs: [{}, { address: undefined, key: { name: 'tlogs[1]' } }],
      timestampAuthorities: [{ name: 'timestampAuthorities[0]' }],
    });
  });

  it('has times with up to nine digits behind the second', () => {
    const at = (start: string) => read(changed(ROOT, ['tlogs', 0, 'publicKey', 'validFor', 'start'], start)).logs[0];
    for (const [text, milliseconds] of [
      ['2026-01-02T03:04:05Z', 0],
      ['2026-01-02T03:04:05.7Z', 700],
      ['2026-01-02T03:04:05.678Z', 678],
      ['2026-01-02T03:04:05.678999999Z', 678],
    ] as const) {
      expect(at(text)?.validFor.start?.getTime()).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, milliseconds));
    }
  });

  it.each<[string, TestLog]>([
    ['PKIX_ECDSA_P256_SHA_256', new TestLog('P-256')],
    ['PKIX_ECDSA_P384_SHA_384', new TestLog('P-384')],
    ['PKIX_ECDSA_P521_SHA_512', new TestLog('P-521')],
    ['PKIX_ED25519', new TestLog('Ed25519')],
    ['PKIX_RSA_PKCS1V15_2048_SHA256', new TestLog('RSA')],
  ])('has keys of the kind %s', async (details, log) => {
    const logJson = trustedLog(log);
    expect((logJson['publicKey'] as JsonMembers)['keyDetails']).toBe(details);
    expect(read({ ...ROOT, tlogs: [logJson] }).logs).toHaveLength(1);
    const other = details === 'PKIX_ED25519' ? 'PKIX_ECDSA_P256_SHA_256' : 'PKIX_ED25519';
    const error = await expectFailure('POLICY_INVALID', () =>
      read({ ...ROOT, tlogs: [changed(logJson, ['publicKey', 'keyDetails'], other)] }),
    );
    expect(error.message).toContain('tlogs[0].publicKey.keyDetails: expected a key of the kind');
  });

  it('has keys of RSA in PKCS#1, as the first logs of certificates have', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pkcs1 = publicKey.export({ format: 'der', type: 'pkcs1' });
    const withKey = (rawBytes: Uint8Array) =>
      read(
        changed(ROOT, ['ctlogs', 0, 'publicKey'], {
          ...((ROOT['ctlogs'] as readonly JsonMembers[])[0]?.['publicKey'] as JsonMembers),
          keyDetails: 'PKCS1_RSA_PKCS1V5',
          rawBytes: base64(rawBytes),
        }),
      );
    expect(withKey(pkcs1).ctLogs[0]?.key.rawSpki).toEqual(publicKey.export({ format: 'der', type: 'spki' }));
    const trailing = Buffer.concat([pkcs1, Buffer.of(0)]);
    for (const other of [trailing, publicKey.export({ format: 'der', type: 'spki' })]) {
      const error = await expectFailure('POLICY_INVALID', () => withKey(other));
      expect(error.message).toContain('ctlogs[0].publicKey.rawBytes: expected a public key of RSA');
    }
  });

  const window = ['tlogs', 0, 'publicKey', 'validFor'] as const;
  const [log] = ROOT['tlogs'] as readonly JsonMembers[];
  it.each<[string, Json | string, string]>([
    ['no JSON', 'x', 'it is no trusted_root.json of Sigstore: '],
    ['a list', '[]', 'document: expected an object'],
    ['two documents', `${JSON.stringify(ROOT)}\n${JSON.stringify(ROOT)}`, 'it is no trusted_root.json of Sigstore'],
    ['a key in PEM', LOG.signer.publicKey, 'expected a trusted_root.json of Sigstore, got PEM'],
    ['no media type', changed(ROOT, ['mediaType'], undefined), 'expected a member "mediaType"'],
    ['version 0.3', { ...ROOT, mediaType: 'application/vnd.dev.sigstore.trustedroot.v0.3+json' }, 'version 0.1 or 0.2'],
    ['an unknown member', { ...ROOT, timestampAuthority: [] }, 'document: unknown member "timestampAuthority"'],
    [
      'neither log nor timestamp authority',
      { ...ROOT, tlogs: [], timestampAuthorities: [] },
      'expected at least one log',
    ],
    ['null for a list', { ...ROOT, ctlogs: null }, 'ctlogs: expected a list'],
    ['a log twice (GHSA-9vcr-p3rj-q5q6)', { ...ROOT, tlogs: [log ?? {}, log ?? {}] }, 'tlogs: expected each log once'],
    ['33 logs', { ...ROOT, tlogs: Array.from({ length: 33 }, () => ({})) }, 'tlogs: expected at most 32 items'],
    ['a number for an address', changed(ROOT, ['tlogs', 0, 'baseUrl'], 1), 'tlogs[0].baseUrl: expected a text'],
    ['another hash of the tree', changed(ROOT, ['tlogs', 0, 'hashAlgorithm'], 'SHA2_512'), 'expected "SHA2_256"'],
    [
      'an ID that is too short',
      changed(ROOT, ['tlogs', 0, 'logId', 'keyId'], 'AAAA'),
      'logId.keyId: expected 32 bytes',
    ],
    [
      'an ID of checkpoints of 5 bytes',
      changed(ROOT, ['tlogs', 0, 'checkpointKeyId'], { keyId: 'AAAAAAA=' }),
      'tlogs[0].checkpointKeyId.keyId: expected 4 or 32 bytes',
    ],
    [
      'no key',
      changed(ROOT, ['tlogs', 0, 'publicKey', 'rawBytes'], ''),
      'tlogs[0].publicKey.rawBytes: expected base64',
    ],
    ['a damaged key', changed(ROOT, ['tlogs', 0, 'publicKey', 'rawBytes'], 'AAAA'), 'expected a public key'],
    [
      'a key of another kind',
      changed(ROOT, ['tlogs', 0, 'publicKey', 'rawBytes'], base64(makeSigner('secp256k1').rawSpki)),
      'is on the curve secp256k1',
    ],
    [
      'a prehashed Ed25519 key',
      changed(ROOT, ['tlogs', 0, 'publicKey', 'keyDetails'], 'PKIX_ED25519_PH'),
      'tlogs[0].publicKey.keyDetails: expected one of PKIX_ECDSA_P256_SHA_256',
    ],
    ['no window', changed(ROOT, window, undefined), 'tlogs[0].publicKey: expected a member "validFor"'],
    ['no start', changed(ROOT, [...window, 'start'], undefined), 'validFor: expected a member "start"'],
    ['an end before its start', changed(ROOT, [...window, 'end'], '2025-12-31T23:59:59Z'), 'not before the start'],
    ['a date without a time', changed(ROOT, [...window, 'start'], '2026-01-01'), 'expected a time such as'],
    ['a time in another zone', changed(ROOT, [...window, 'start'], '2026-01-01T00:00:00+01:00'), 'a time such as'],
    ['a day that does not exist', changed(ROOT, [...window, 'start'], '2026-02-30T00:00:00Z'), 'a time such as'],
    ['a number for a time', changed(ROOT, [...window, 'start'], 1), 'validFor.start: expected a text'],
    [
      'an authority without certificates',
      changed(ROOT, ['certificateAuthorities', 0, 'certChain', 'certificates'], []),
      'certChain.certificates: expected at least one',
    ],
    [
      'a damaged certificate',
      changed(ROOT, ['timestampAuthorities', 0, 'certChain', 'certificates', 0, 'rawBytes'], 'AAAA'),
      'timestampAuthorities[0].certChain.certificates[0].rawBytes: ',
    ],
    [
      'a byte behind a certificate',
      changed(
        ROOT,
        ['timestampAuthorities', 0, 'certChain', 'certificates', 0, 'rawBytes'],
        base64(Buffer.concat([TSA.leaf.raw, Buffer.of(5, 0)])),
      ),
      'expected one value in DER, and nothing behind it',
    ],
  ])('with %s is refused', async (_, root, text) => {
    const error = await expectFailure('POLICY_INVALID', () => read(root));
    expect(error.message).toContain('policy: trusted root /trusted_root.json: ');
    expect(error.message).toContain(text);
  });

  it('is at most as large as a key ring', async () => {
    const { length } = JSON.stringify(ROOT);
    expect(read(ROOT, { ...DEFAULT_LIMITS, maxKeyRingBytes: length }).logs).toHaveLength(2);
    const error = await expectFailure('POLICY_INVALID', () =>
      read(ROOT, { ...DEFAULT_LIMITS, maxKeyRingBytes: length - 1 }),
    );
    expect(error.context).toMatchObject({ limit: 'maxKeyRingBytes' });
  });
});

/** An authority of the same name as the root of `TSA`, with another key. */
const OTHER_ROOT = makeCertificate({ subject: 'tsa root' });

/** Each of them alone decides about one of three good signatures. */
describe('each member of a trusted root', () => {
  const PROMISED = timedBundle({ entries: [{ kind: 'dsse' }] });
  const PROVEN = timedBundle({ entries: [{ kind: 'dsse v2', leaf: 1, treeSize: 3 }], stamps: [{}] });
  const STAMPED = timedBundle({ stamps: [{}] });
  const stampsOnly = { ...ROOT, tlogs: [] };
  const judge = (bundle: JsonMembers, root: Json) => judgeAttachment(judgedByRoot(bundle, rootFile(root)));
  const beforeLog = new Date(INTEGRATED_TIME * 1000 - 1).toISOString();
  const atLog = new Date(INTEGRATED_TIME * 1000).toISOString();
  const behindLog = new Date(INTEGRATED_TIME * 1000 + 1).toISOString();
  const atStamp = STAMPED_AT.toISOString();
  const beforeStamp = new Date(STAMPED_AT.getTime() - 1).toISOString();
  const behindStamp = new Date(STAMPED_AT.getTime() + 1).toISOString();
  const other = new TestLog();
  const [first, second] = TSA.chain.map((raw): Json => ({ rawBytes: base64(raw) }));
  const chain = ['timestampAuthorities', 0, 'certChain', 'certificates'];

  it.each<[string, JsonMembers, Json]>([
    ['entry with a promise', PROMISED, ROOT],
    ['entry with a proof and a timestamp', PROVEN, ROOT],
    ['timestamp', STAMPED, stampsOnly],
  ])('positive control: a signature with an %s is accepted', (_, bundle, root) => {
    expect(judge(bundle, root)).toMatchObject({ kind: 'accepted' });
  });

  it.each<[string, JsonMembers, Json, Json, string]>([
    [
      'tlogs[].publicKey.rawBytes',
      PROMISED,
      changed(ROOT, ['tlogs', 0, 'publicKey', 'rawBytes'], base64(other.signer.rawSpki)),
      ROOT,
      'has a promise that is not by the log https://log.example/test',
    ],
    [
      'tlogs[].logId.keyId',
      PROMISED,
      changed(ROOT, ['tlogs', 0, 'logId', 'keyId'], base64(other.id)),
      ROOT,
      'its log entries are of other logs',
    ],
    [
      'tlogs[].publicKey.validFor.start',
      PROMISED,
      changed(ROOT, [...['tlogs', 0, 'publicKey', 'validFor'], 'start'], behindLog),
      changed(ROOT, [...['tlogs', 0, 'publicKey', 'validFor'], 'start'], atLog),
      `its log entry is of ${atLog}, and the log https://log.example/test counts from ${behindLog}`,
    ],
    [
      'tlogs[].publicKey.validFor.end',
      PROMISED,
      changed(ROOT, [...['tlogs', 0, 'publicKey', 'validFor'], 'end'], beforeLog),
      changed(ROOT, [...['tlogs', 0, 'publicKey', 'validFor'], 'end'], atLog),
      `counts from 2026-01-01T00:00:00.000Z to ${beforeLog}`,
    ],
    [
      'tlogs[].publicKey.validFor.end, for an entry without a time of its own',
      PROVEN,
      changed(ROOT, [...['tlogs', 1, 'publicKey', 'validFor'], 'end'], beforeStamp),
      changed(ROOT, [...['tlogs', 1, 'publicKey', 'validFor'], 'end'], atStamp),
      `its log entry is of a signature of ${atStamp}, and the log https://log2.example counts`,
    ],
    [
      'tlogs[].baseUrl',
      PROVEN,
      changed(ROOT, ['tlogs', 1, 'baseUrl'], 'https://log3.example'),
      changed(ROOT, ['tlogs', 1, 'baseUrl'], 'https://log2.example:8080/'),
      'has a checkpoint that is not by the log https://log3.example',
    ],
    [
      'tlogs[].checkpointKeyId.keyId',
      PROVEN,
      changed(ROOT, ['tlogs', 1, 'checkpointKeyId'], { keyId: base64(SECOND_LOG.id.subarray(0, 4)) }),
      changed(ROOT, ['tlogs', 1, 'checkpointKeyId'], { keyId: base64(SECOND_LOG.noteId.subarray(0, 4)) }),
      'has a checkpoint that is not by the log https://log2.example',
    ],
    ['tlogs', PROMISED, changed(ROOT, ['tlogs'], [trustedLog(SECOND_LOG)]), ROOT, 'its log entries are of other logs'],
    [
      'timestampAuthorities[].validFor.start',
      STAMPED,
      changed(stampsOnly, ['timestampAuthorities', 0, 'validFor', 'start'], behindStamp),
      changed(stampsOnly, ['timestampAuthorities', 0, 'validFor', 'start'], atStamp),
      `its timestamp is of ${atStamp}, and the authority https://tsa.example counts from ${behindStamp}`,
    ],
    [
      'timestampAuthorities[].validFor.end',
      STAMPED,
      changed(stampsOnly, ['timestampAuthorities', 0, 'validFor', 'end'], beforeStamp),
      changed(stampsOnly, ['timestampAuthorities', 0, 'validFor', 'end'], atStamp),
      `counts from 2026-01-01T00:00:00.000Z to ${beforeStamp}`,
    ],
    [
      'timestampAuthorities[].certChain.certificates, of which the first one signs',
      STAMPED,
      changed(stampsOnly, chain, [second ?? '', first ?? '']),
      stampsOnly,
      'its timestamps are by other authorities',
    ],
    [
      'timestampAuthorities[].certChain.certificates, of which the last one is trusted',
      STAMPED,
      changed(stampsOnly, chain, [first ?? '', { rawBytes: base64(OTHER_ROOT.raw) }]),
      stampsOnly,
      'its timestamp is by the authority https://tsa.example: ',
    ],
    [
      'timestampAuthorities',
      PROVEN,
      { ...ROOT, timestampAuthorities: [] },
      ROOT,
      'its log entry has no time that the log https://log2.example has promised',
    ],
  ])('decides alone: %s', (_, bundle, bad, good, text) => {
    expect(judge(bundle, good)).toMatchObject({ kind: 'accepted' });
    expect(judge(bundle, bad)).toMatchObject({ kind: 'refused', text: expect.stringContaining(text) });
  });
});

/** The instance of Sigstore that made the recorded images; see testdata/sigstore. */
describe('the trusted root of the recorded images', () => {
  const recorded = readFileSync(new URL('../../../../testdata/sigstore/trusted-root.json', import.meta.url), 'utf8');
  const json: JsonMembers = JSON.parse(recorded);
  const fulcio = {
    kind: 'fulcio',
    ca: undefined,
    identity: {
      oidcIssuer: 'https://token.actions.githubusercontent.com',
      subjectURI: 'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0',
    },
  } as const;
  const cases: readonly JudgedAttachment[] = [
    { image: 'bundle-key-log', keys: ['p256'] },
    { image: 'legacy-key-log', keys: ['p256'] },
    { image: 'bundle-keyless', author: fulcio },
    { image: 'legacy-keyless', author: fulcio },
    { image: 'attest-slsa-keyless', author: fulcio, predicateTypes: ['https://slsa.dev/provenance/v1'] },
  ];
  const judgeBy = (judged: JudgedAttachment, root: Json) =>
    judgeAttachment({ ...judged, trustedRoot: rootFile(root), nowMs: Date.UTC(2036, 0) });

  it.each(cases)('accepts $image ten years later, and says when it was logged', (judged) => {
    expect(judgeBy(judged, json)).toMatchObject({
      kind: 'accepted',
      signer: { loggedAt: expect.stringMatching(/^2026-11-30T22:4\d:\d\d\.000Z$/) },
    });
  });

  it.each(cases)('refuses $image when the log, its time or the instance is another one', (judged) => {
    expect(judgeBy(judged, ROOT)).toMatchObject({ reason: 'log' });
    const window = ['tlogs', 0, 'publicKey', 'validFor'];
    expect(judgeBy(judged, changed(json, [...window, 'start'], '2026-12-01T00:00:00Z'))).toMatchObject({
      reason: 'log',
    });
    expect(judgeBy(judged, changed(json, [...window, 'end'], '2026-11-01T00:00:00Z'))).toMatchObject({ reason: 'log' });
  });

  it.each(cases.filter(({ image }) => image === 'bundle-keyless' || image === 'bundle-key-log'))(
    'refuses $image when the timestamp authority was not in use',
    (judged) => {
      const end = changed(json, ['timestampAuthorities', 0, 'validFor', 'end'], '2026-11-01T00:00:00Z');
      expect(judgeBy(judged, end)).toMatchObject({ reason: 'timestamp' });
      // By the timestamp alone, without a log.
      expect(judgeBy(judged, { ...json, tlogs: [] })).toMatchObject({ kind: 'accepted' });
      expect(judgeBy(judged, changed(end, ['tlogs'], []))).toMatchObject({ reason: 'timestamp' });
    },
  );

  it.each(cases.filter(({ author }) => author !== undefined))('refuses $image of other authorities', (judged) => {
    const others = { ...json, certificateAuthorities: ROOT['certificateAuthorities'] ?? [] };
    expect(judgeBy(judged, others)).toMatchObject({ reason: 'certificate-path' });
    expect(judgeBy(judged, { ...json, ctlogs: ROOT['ctlogs'] ?? [] })).toMatchObject({ reason: 'certificate-log' });
    const end = changed(json, ['certificateAuthorities', 0, 'validFor', 'end'], '2026-11-01T00:00:00Z');
    expect(judgeBy(judged, end)).toMatchObject({ reason: 'certificate-time' });
    expect(() => judgeBy(judged, { ...json, certificateAuthorities: [] })).toThrow(
      'at least one certificate authority',
    );
  });
});

/** Another maker of bundles; see testdata/sigstore. */
describe('a bundle by @sigstore/sign', () => {
  const file = readFileSync(new URL('../../../../testdata/sigstore/sigstore-js.json', import.meta.url), 'utf8');
  const { trustedRoot, bundles }: { trustedRoot: JsonMembers; bundles: Record<string, JsonMembers> } = JSON.parse(file);
  const author = { kind: 'fulcio', ca: undefined, identity: IDENTITY } as const;
  const judge = (name: string, root: JsonMembers = trustedRoot) =>
    judgeAttachment({ ...judgedByRoot(bundles[name] ?? {}, rootFile(root)), author });

  it.each([
    ['first version, dsse', true],
    ['first version, hashedrekord', true],
    ['first version and timestamp', true],
    ['second version and timestamp', false],
  ])('with an entry of Rekor’s %s is accepted', (name, isPromised) => {
    const loggedAt = isPromised ? new Date(INTEGRATED_TIME * 1000).toISOString() : undefined;
    expect(judge(name)).toMatchObject({ kind: 'accepted', signer: { kind: 'sigstore-certificate', loggedAt } });
    expect(judge(name, { ...trustedRoot, tlogs: ROOT['tlogs'] ?? [] })).toMatchObject({ reason: 'log' });
  });

  it('of Rekor’s second version needs a timestamp', () => {
    const name = 'second version without a timestamp';
    expect(judge(name)).toMatchObject({ reason: 'log', text: expect.stringContaining('no time that the log') });
  });

  it('with a timestamp alone is for a trusted root without logs', () => {
    const name = 'timestamp without a log';
    expect(judge(name)).toMatchObject({ reason: 'log' });
    expect(judge(name, { ...trustedRoot, tlogs: [] })).toMatchObject({ kind: 'accepted' });
  });
});
