import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import type { SigstoreVerdict } from '../../src/signature/sigstore/index.ts';
import { CT_LOG, ROOT as FULCIO_ROOT, INTERMEDIATE } from '../support/signatures/certificate-cases.ts';
import { changesOf } from '../support/signatures/json-changes.ts';
import { bundleAttachment, type JsonMembers } from '../support/signatures/sigstore-builder.ts';
import { judgeAttachment } from '../support/signatures/sigstore-signatures.ts';
import {
  type EntryOptions,
  judgedByRoot,
  makeStamp,
  rootFile,
  SECOND_LOG,
  TSA,
  timedBundle,
} from '../support/sigstore/timed-signatures.ts';
import { trustedRootJson } from '../support/sigstore/trusted-root.ts';
import { IS_SOAK } from '../support/soak.ts';

const SECOND: EntryOptions = { kind: 'dsse v2', leaf: 2, treeSize: 5 };
const BUNDLE = timedBundle({ entries: [SECOND], stamps: [{}] });
const ROOT = trustedRootJson({
  logs: [SECOND_LOG],
  timestampAuthorities: [TSA],
  authorities: [[INTERMEDIATE.raw, FULCIO_ROOT.raw]],
  ctLogs: [CT_LOG],
});
const ONLY_TSA = { timestampAuthorities: [TSA] };

/** `accepted`, the reason of a refusal, or the code of the error. */
function outcomeOf(judge: () => SigstoreVerdict): string {
  try {
    const verdict = judge();
    return verdict.kind === 'accepted' ? verdict.kind : verdict.reason;
  } catch (error) {
    if (error instanceof SealiftError) return error.code;
    throw error;
  }
}

const outcomeOfRoot = (root: string) => outcomeOf(() => judgeAttachment(judgedByRoot(BUNDLE, rootFile(root))));

describe('each member changed alone', () => {
  it('of a trusted root makes it invalid, or the signature a refused one', () => {
    expect(outcomeOfRoot(JSON.stringify(ROOT))).toBe('accepted');
    /** Members that may be absent, and those that no check of this signature depends on. */
    const tolerated: readonly [RegExp, RegExp][] = [
      [/^(?:tlogs|ctlogs|certificateAuthorities)(?:\.0)?$/, /removed|\[\]/],
      [/^(?:certificateAuthorities|timestampAuthorities)\.0$/, /doubled/],
      [/^tlogs\.0\.baseUrl$/, /removed|type, ""/],
      [/\.(?:subject|subject\.\w+|uri)$/, /./],
      [/^ctlogs\.0\.baseUrl$/, /./],
      [/\.validFor\.(?:start|end)$/, /removed|flipped/],
      [/^certificateAuthorities\.0\.certChain\.certificates\.\d$/, /removed|doubled/],
      [/^timestampAuthorities\.0\.certChain\.certificates\.\d$/, /doubled/],
      [/^ctlogs\.0\.logId\.keyId$/, /flipped/],
      [/^certificateAuthorities.*rawBytes$/, /flipped/],
      [/^ctlogs.*rawBytes$/, /flipped/],
    ];
    for (const { what, path, text } of changesOf(ROOT)) {
      const name = path.join('.');
      const outcome = outcomeOfRoot(text);
      const isTolerated = tolerated.some(([where, which]) => where.test(name) && which.test(what));
      const expected = isTolerated
        ? /^(?:accepted|POLICY_INVALID|log|timestamp)$/
        : /^(?:POLICY_INVALID|log|timestamp)$/;
      expect(outcome, `${name} ${what}: ${text.slice(0, 200)}`).toMatch(expected);
    }
  });

  it('of an entry with a proof, and of its timestamp, is refused', () => {
    const judge = (text: string) => outcomeOf(() => judgeAttachment(judgedByRoot(bundleAttachment(text))));
    expect(judge(JSON.stringify(BUNDLE))).toBe('accepted');
    for (const { what, path, text } of changesOf(BUNDLE)) {
      const name = path.join('.');
      if (!/tlogEntries|timestampVerificationData/.test(name)) continue;
      // Rekor's second version does not sign the index of an entry, and an absent number is 0.
      if (/tlogEntries\.0\.logIndex$/.test(name) && /removed|flipped|type, 0/.test(what)) continue;
      expect(judge(text), `${name} ${what}`).toMatch(/^(?:malformed|log|timestamp)$/);
    }
  });
});

/** Positions of the values in DER: start, length of head and content, and of each value in constructed ones. */
function valuesIn(
  bytes: Buffer,
  start = 0,
  end = bytes.length,
): readonly { start: number; content: number; end: number }[] {
  const found: { start: number; content: number; end: number }[] = [];
  for (let at = start; at < end; ) {
    const first = bytes.readUInt8(at + 1);
    const size = first < 0x80 ? 0 : first & 0x7f;
    const length = size === 0 ? first : bytes.readUIntBE(at + 2, size);
    const content = at + 2 + size;
    found.push({ start: at, content, end: content + length });
    if ((bytes.readUInt8(at) & 0x20) !== 0) found.push(...valuesIn(bytes, content, content + length));
    at = content + length;
  }
  return found;
}

describe('a timestamp that was changed', () => {
  const judge = (change: (raw: Buffer) => Buffer) =>
    outcomeOf(() => judgeAttachment(judgedByRoot(timedBundle({ stamps: [{ change }] }), ONLY_TSA)));
  const raw = makeStamp(Buffer.from('a signature'), {});

  it('is accepted unchanged', () => {
    expect(judge((bytes) => bytes)).toBe('accepted');
  });

  it('in one value, removed, doubled or of another type, is refused', () => {
    // Values that are not signed, and that no reader depends on: versions, and the algorithm in front of the signers.
    let accepted = 0;
    const { length } = valuesIn(raw);
    expect(length).toBeGreaterThan(40);
    for (let position = 0; position < length; position++) {
      for (const [what, edit] of Object.entries(EDITS)) {
        const outcome = judge((bytes) => {
          const value = valuesIn(bytes)[position];
          return value === undefined ? Buffer.alloc(0) : edit(bytes, value);
        });
        expect(['accepted', 'timestamp', 'malformed'], `${position} ${what}`).toContain(outcome);
        if (outcome === 'accepted') accepted += 1;
      }
    }
    expect(accepted).toBeLessThan(20);
  });

  it('in any byte is refused, or says the same', () => {
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (position, mask) => {
        const outcome = judge((bytes) => {
          const copy = Buffer.from(bytes);
          const at = position % copy.length;
          copy.writeUInt8(copy.readUInt8(at) ^ mask, at);
          return copy;
        });
        expect(['accepted', 'timestamp', 'malformed']).toContain(outcome);
      }),
      { numRuns: IS_SOAK ? 20_000 : 200 },
    );
  });

  it('into any bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        expect(judge(() => Buffer.from(bytes))).toBe('timestamp');
      }),
      { numRuns: IS_SOAK ? 20_000 : 200 },
    );
  });
});

type Value = { readonly start: number; readonly content: number; readonly end: number };

/** Lengths around the value stay as they were, as an attacker who does not care would leave them. */
const EDITS: Readonly<Record<string, (bytes: Buffer, value: Value) => Buffer>> = {
  removed: (bytes, { start, end }) => Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]),
  doubled: (bytes, { start, end }) => Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]),
  'of another type': (bytes, { start }) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(start) === 0x05 ? 0x01 : 0x05, start);
    return copy;
  },
  flipped: (bytes, { content, end }) => {
    const copy = Buffer.from(bytes);
    if (content < end) copy.writeUInt8(copy.readUInt8(end - 1) ^ 1, end - 1);
    return content < end ? copy : Buffer.alloc(0);
  },
};

describe('the text of a checkpoint that was changed', () => {
  it('is refused', () => {
    const judge = (change: (envelope: string) => string) => {
      const entry = { ...SECOND, change: (made: JsonMembers) => withEnvelope(made, change) };
      return outcomeOf(() => judgeAttachment(judgedByRoot(timedBundle({ entries: [entry], stamps: [{}] }))));
    };
    expect(judge((text) => text)).toBe('accepted');
    fc.assert(
      fc.property(fc.nat(200), fc.nat(20), fc.string({ maxLength: 20 }), (start, length, others) => {
        let isSame = false;
        const outcome = judge((text) => {
          const at = start % text.length;
          const changed = text.slice(0, at) + others + text.slice(at + length);
          isSame = changed === text;
          return changed;
        });
        expect(outcome === 'accepted' ? isSame : ['log', 'malformed'].includes(outcome)).toBe(true);
      }),
      {
        numRuns: IS_SOAK ? 20_000 : 200,
        examples: [
          [0, 0, ''],
          [0, 1, 'x'],
          [30, 5, ''],
        ],
      },
    );
  });
});

function withEnvelope(entry: JsonMembers, change: (envelope: string) => string): JsonMembers {
  const proof = entry['inclusionProof'] as JsonMembers;
  const envelope = String((proof['checkpoint'] as JsonMembers)['envelope']);
  return { ...entry, inclusionProof: { ...proof, checkpoint: { envelope: change(envelope) } } };
}
