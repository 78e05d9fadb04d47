import { describe, expect, it } from 'vitest';
import { makeLeaf } from '../../../support/signatures/certificate-cases.ts';
import { type JsonMembers, makeSigner, signBytes } from '../../../support/signatures/sigstore-builder.ts';
import { LOG, SIGNER, STRANGER } from '../../../support/signatures/sigstore-cases.ts';
import { judgeAttachment } from '../../../support/signatures/sigstore-signatures.ts';
import {
  type EntryKind,
  type EntryOptions,
  judgedByRoot,
  rootFile,
  SECOND_LOG,
  type TimedOptions,
  TRUSTED,
  TSA,
  timedBundle,
} from '../../../support/sigstore/timed-signatures.ts';
import { STAMPED_AT } from '../../../support/sigstore/timestamp-authority.ts';
import { INTEGRATED_TIME, noteLine, TestLog } from '../../../support/sigstore/transparency-log.ts';
import { trustedLog, trustedRootJson } from '../../../support/sigstore/trusted-root.ts';

const judge = (options: TimedOptions, root: Parameters<typeof judgedByRoot>[1] = TRUSTED) =>
  judgeAttachment(judgedByRoot(timedBundle(options), root));
const SECOND: EntryOptions = { kind: 'hashedrekord v2', leaf: 2, treeSize: 5 };
const second = (options: EntryOptions) => judge({ entries: [{ ...SECOND, ...options }], stamps: [{}] });
const accepted = { kind: 'accepted' };
const refused = (text: string) => ({ kind: 'refused', reason: 'log', text: expect.stringContaining(text) });

describe('what a trusted root asks for', () => {
  const first: EntryOptions = { kind: 'dsse' };
  it.each<[string, TimedOptions, Parameters<typeof judgedByRoot>[1], object]>([
    ['logs: an entry of one of them', { entries: [first] }, TRUSTED, accepted],
    ['logs: nothing else will do', { stamps: [{}] }, TRUSTED, refused('it has no log entry')],
    ['logs: not that of another log', { entries: [{ log: new TestLog() }] }, TRUSTED, refused('are of other logs')],
    ['authorities alone: a timestamp', { stamps: [{}] }, { timestampAuthorities: [TSA] }, accepted],
    [
      'authorities alone: nothing else will do',
      { entries: [first] },
      { timestampAuthorities: [TSA] },
      { reason: 'timestamp', text: expect.stringContaining('it has no timestamp') },
    ],
    [
      'logs alone: timestamps are not looked at',
      { entries: [first], stamps: [{ status: 2 }] },
      { logs: [LOG] },
      accepted,
    ],
  ])('%s', (_, options, root, expected) => {
    expect(judge(options, root)).toMatchObject(expected);
  });

  it('both may be there, and each of them has to hold', () => {
    expect(judge({ entries: [first, SECOND], stamps: [{}] })).toMatchObject(accepted);
    const damaged = { ...SECOND, recorded: { signer: STRANGER } };
    expect(judge({ entries: [first, damaged], stamps: [{}] })).toMatchObject(refused('is about another key'));
  });
});

describe('the time of an entry', () => {
  it('counts only if the log has promised it (sigstore-js #1659)', () => {
    const change = ({ inclusionPromise: _, ...entry }: JsonMembers) => entry;
    expect(judge({ entries: [{ kind: 'dsse' }] })).toMatchObject({
      signer: { loggedAt: new Date(INTEGRATED_TIME * 1000).toISOString() },
    });
    expect(judge({ entries: [{ kind: 'dsse', change }] })).toMatchObject(refused('no time that the log'));
    expect(judge({ entries: [{ kind: 'dsse', change }], stamps: [{}] })).toMatchObject({
      ...accepted,
      signer: { loggedAt: undefined, stampedAt: STAMPED_AT.toISOString() },
    });
  });

  it('is refused beyond all calendars', () => {
    const change = (entry: JsonMembers) => entry;
    expect(judge({ entries: [{ kind: 'dsse', integratedTime: 9e15, change }] })).toMatchObject(
      refused('beyond all calendars'),
    );
  });

  it('has to be in the window of the log, both ends included (GHSA-wqqc-jjcq-vfxm)', () => {
    const withWindow = (validFor: JsonMembers) => {
      const log = trustedLog(LOG);
      const publicKey = { ...(log['publicKey'] as JsonMembers), validFor };
      return rootFile({ ...trustedRootJson({}), tlogs: [{ ...log, publicKey }] });
    };
    const at = (seconds: number) => new Date((INTEGRATED_TIME + seconds) * 1000).toISOString();
    const judgeWindow = (validFor: JsonMembers) => judge({ entries: [{ kind: 'dsse' }] }, withWindow(validFor));
    expect(judgeWindow({ start: at(0), end: at(0) })).toMatchObject(accepted);
    expect(judgeWindow({ start: at(0) })).toMatchObject(accepted);
    expect(judgeWindow({ start: at(1) })).toMatchObject(refused(`counts from ${at(1)}`));
    expect(judgeWindow({ start: at(-2), end: at(-1) })).toMatchObject(refused(`to ${at(-1)}`));
  });
});

describe('an entry of Rekor’s second version', () => {
  const kinds: readonly EntryKind[] = ['hashedrekord v2', 'dsse v2'];

  it.each(kinds)('of the kind %s is accepted with a timestamp, by keys and by certificates', (kind) => {
    expect(second({ kind })).toMatchObject(accepted);
    const certificate = makeLeaf();
    const bundle = timedBundle({ certificate, entries: [{ ...SECOND, kind }], stamps: [{}] });
    const author = { kind: 'keys', keys: [{ name: 'x', rawBytes: Buffer.from(SIGNER.publicKey) }] } as const;
    // A requirement that names keys never accepts a certificate.
    expect(judgeAttachment({ ...judgedByRoot(bundle), author })).toMatchObject({ reason: 'certificate' });
  });

  it('needs a signed timestamp, since it has no time', () => {
    expect(judge({ entries: [SECOND] })).toMatchObject({
      ...refused('its log entry has no time that the log https://log2.example has promised'),
      remedy: expect.stringContaining('timestampAuthorities'),
    });
    expect(judge({ entries: [SECOND], stamps: [{ tsa: TSA }] })).toMatchObject(accepted);
  });

  it('needs a timestamp in the window of its log', () => {
    const late = { stamps: [{ at: new Date('2027-01-01T00:00:00.001Z') }], entries: [SECOND] };
    const log = trustedRootJson(TRUSTED);
    const [tsa] = log['timestampAuthorities'] as readonly JsonMembers[];
    const root = { ...log, timestampAuthorities: [{ ...tsa, validFor: { start: '2026-01-01T00:00:00Z' } }] };
    expect(judge(late, rootFile(root))).toMatchObject(refused('its log entry is of a signature of 2027-01-01'));
    expect(judge({ ...late, stamps: [{ at: new Date('2027-01-01T00:00:00.000Z') }] }, rootFile(root))).toMatchObject(
      accepted,
    );
  });

  it.each<[string, EntryOptions, string]>([
    ['a promise', { isPromised: true }, 'has a promise, which Rekor makes in its first version only'],
    ['another digest', { recorded: { content: Buffer.from('x') } }, 'is about other content'],
    ['another signature', { recorded: { signature: Buffer.from('x') } }, 'is about another signature'],
    ['another key', { recorded: { signer: STRANGER } }, 'is about another key'],
    ['the certificate of a key', { recorded: { certificate: makeLeaf().raw } }, 'certificate'],
    ['no proof', { change: ({ inclusionProof: _, ...entry }) => entry }, 'no inclusion proof'],
    ['another origin in its checkpoint', { origin: 'log3.example' }, 'a checkpoint that is not by the log'],
    ['another hint in its checkpoint', { hint: Buffer.from('abcd') }, 'a checkpoint that is not by the log'],
    ['the hint of another kind of ID', { hint: Buffer.alloc(4) }, 'a checkpoint that is not by the log'],
  ])('with %s is refused', (_, options, text) => {
    expect(second({})).toMatchObject(accepted);
    const verdict = second(options);
    expect(verdict).toMatchObject({ kind: 'refused', text: expect.stringContaining(text) });
  });

  it('of a log with the same key and another name is refused', () => {
    const twin = new TestLog('Ed25519', 'log3.example');
    Object.defineProperty(twin, 'signer', { value: SECOND_LOG.signer });
    const entries = [{ ...SECOND, log: twin }];
    expect(judge({ entries, stamps: [{}] }, { ...TRUSTED, logs: [twin] })).toMatchObject(accepted);
    expect(judge({ entries, stamps: [{}] })).toMatchObject(refused('its log entries are of other logs'));
  });

  it('may be of a log with an ECDSA key, whose address is compared as well', () => {
    const log = new TestLog('P-256', 'log4.example');
    const root = { ...TRUSTED, logs: [log] };
    const entries = [{ ...SECOND, log }];
    expect(judge({ entries, stamps: [{}] }, root)).toMatchObject(accepted);
    const moved = new TestLog('P-256', 'log5.example');
    Object.defineProperty(moved, 'signer', { value: log.signer });
    expect(judge({ entries: [{ ...SECOND, log: moved }], stamps: [{}] }, root)).toMatchObject(
      refused('has a checkpoint that is not by the log https://log4.example'),
    );
  });
});

describe('the checkpoint of an entry', () => {
  const witness = makeSigner('Ed25519');
  /** A signature by a witness has a time in front. https://github.com/C2SP/C2SP/blob/tlog-cosignature/v1.0.0/tlog-cosignature.md */
  const cosigned = noteLine(
    'witness.example/one',
    Buffer.from('abcd'),
    Buffer.concat([Buffer.alloc(8), signBytes(witness, Buffer.from('x'))]),
  );
  const own = noteLine('log2.example', SECOND_LOG.noteId.subarray(0, 4), Buffer.alloc(64));

  it.each<[string, EntryOptions]>([
    ['a witness behind the log', { signaturesBehind: [cosigned] }],
    ['a witness in front of the log', { signaturesBefore: [cosigned] }],
    ['several witnesses', { signaturesBefore: [cosigned, cosigned], signaturesBehind: [cosigned] }],
    ['another signature of the log, which does not hold', { signaturesBefore: [own] }],
  ])('may have the signature of %s', (_, options) => {
    expect(second(options)).toMatchObject(accepted);
  });

  it('may have at most eight in the name of the log', () => {
    const many = (count: number) => second({ signaturesBefore: Array.from({ length: count }, () => own) });
    expect(many(7)).toMatchObject(accepted);
    expect(many(8)).toMatchObject(refused('has a checkpoint that is not by the log'));
  });

  it('has to have one by the log', () => {
    const change = (entry: JsonMembers): JsonMembers => {
      const proof = entry['inclusionProof'] as JsonMembers;
      const envelope = String((proof['checkpoint'] as JsonMembers)['envelope']);
      const [note] = envelope.split('\n\n');
      return { ...entry, inclusionProof: { ...proof, checkpoint: { envelope: `${note}\n\n${cosigned}` } } };
    };
    expect(second({ change })).toMatchObject(refused('has a checkpoint that is not by the log'));
  });
});

it('times are ordered: the earliest one of a log is reported', () => {
  const other = new TestLog('P-256', 'log6.example');
  const entries: readonly EntryOptions[] = [
    { kind: 'dsse', integratedTime: INTEGRATED_TIME + 5 },
    { kind: 'dsse', log: other, integratedTime: INTEGRATED_TIME - 5 },
  ];
  const verdict = judge({ entries, stamps: [{ at: STAMPED_AT }] }, { ...TRUSTED, logs: [LOG, other] });
  const loggedAt = new Date((INTEGRATED_TIME - 5) * 1000).toISOString();
  expect(verdict).toMatchObject({ signer: { loggedAt, stampedAt: STAMPED_AT.toISOString() } });
});
