import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDer } from '../../src/signature/certificates/read-der.ts';
import { signAgain, type TestCertificate, withBytes } from '../support/signatures/certificate-builder.ts';
import {
  bundleBy,
  byFulcio,
  byPki,
  INTERMEDIATE,
  makeLeaf,
  makeOwnLeaf,
  payloadBy,
  ROOT,
} from '../support/signatures/certificate-cases.ts';
import { der } from '../support/signatures/der-builder.ts';
import { attachmentVerdict } from '../support/signatures/sigstore-signatures.ts';
import { IS_SOAK } from '../support/soak.ts';

const LEAF = makeLeaf();
const OWN = makeOwnLeaf();
const NUM_RUNS = IS_SOAK ? 20_000 : 200;

interface Node {
  readonly tag: number;
  readonly content: Buffer;
  readonly members: readonly Node[] | undefined;
}

/** Reads what a test wrote, which is right. */
function parse(bytes: Buffer): readonly Node[] {
  const nodes: Node[] = [];
  for (let start = 0; start < bytes.length; ) {
    const tag = bytes.readUInt8(start);
    const first = bytes.readUInt8(start + 1);
    const size = first < 0x80 ? 0 : first & 0x7f;
    const length = size === 0 ? first : bytes.readUIntBE(start + 2, size);
    const content = bytes.subarray(start + 2 + size, start + 2 + size + length);
    nodes.push({ tag, content, members: (tag & 0x20) === 0 ? undefined : parse(content) });
    start += 2 + size + length;
  }
  return nodes;
}

/** Each way to write a document with one of its values written in another way. */
function* rewritten(node: Node): Generator<Buffer> {
  const whole = der(node.tag, node.content);
  yield Buffer.alloc(0);
  yield Buffer.concat([whole, whole]);
  yield der(node.tag ^ 0x01, node.content);
  yield der(node.tag ^ 0x80, node.content);
  yield der(node.tag, Buffer.alloc(0));
  const flipped = Buffer.from(node.content);
  if (flipped.length > 0) {
    flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 1, flipped.length >> 1);
    yield der(node.tag, flipped);
  }
  const members = node.members ?? [];
  const encoded = members.map(({ tag, content }) => der(tag, content));
  for (const [position, member] of members.entries()) {
    for (const other of rewritten(member)) {
      yield der(node.tag, ...encoded.map((each, index) => (index === position ? other : each)));
    }
  }
}

function changesOf(bytes: Buffer): readonly Buffer[] {
  const [root] = parse(bytes);
  if (root === undefined) throw new Error('there is nothing to change');
  return [...rewritten(root)].filter((each) => !each.equals(bytes));
}

describe('each value in a certificate removed, doubled, emptied, flipped, of another type', () => {
  const verdicts = (certificate: TestCertificate) => attachmentVerdict(byFulcio(bundleBy(certificate)));
  const sample = (changes: readonly Buffer[]) => changes.filter((_, position) => IS_SOAK || position % 5 === 0);

  it('is refused', () => {
    expect(verdicts(LEAF)).toBe('accepted');
    const changes = changesOf(LEAF.raw);
    expect(changes.length).toBeGreaterThan(300);
    for (const raw of sample(changes)) expect(verdicts(withBytes(LEAF, raw)), raw.toString('hex')).not.toBe('accepted');
  });

  it('in a certificate beside it is refused', () => {
    const judge = (intermediate: TestCertificate) =>
      attachmentVerdict(byPki(payloadBy(OWN, { chain: [intermediate], isLogged: false }), { intermediates: [] }));
    expect(judge(INTERMEDIATE)).toBe('accepted');
    for (const raw of sample(changesOf(INTERMEDIATE.raw))) {
      expect(judge(withBytes(INTERMEDIATE, raw)), raw.toString('hex')).not.toBe('accepted');
    }
  });

  it('and signed again by its authority is a verdict', () => {
    const [certificate] = parse(LEAF.raw);
    const [tbs] = certificate?.members ?? [];
    if (tbs === undefined) throw new Error('there is nothing to sign');
    const raw = der(tbs.tag, tbs.content);
    expect(verdicts(signAgain(LEAF, raw, INTERMEDIATE))).toBe('accepted');
    for (const change of sample(changesOf(raw))) {
      // What is not looked at, such as a serial number, may be anything.
      expect(verdicts(signAgain(LEAF, change, INTERMEDIATE))).toMatch(
        /^(?:accepted|author|certificate.*|not-authentic)$/,
      );
    }
  });
});

/** Each way to write a document with one of its values filled with these bytes, also in what extensions and keys hold. */
function* filled(node: Node, fill: Buffer): Generator<Buffer> {
  yield der(node.tag, fill);
  const { members = [] } = node;
  // What a bit string holds comes behind its count of unused bits.
  const head = node.tag === 0x03 ? node.content.subarray(0, 1) : Buffer.alloc(0);
  const isHolder = (node.tag === 0x04 || node.tag === 0x03) && node.content[head.length] === 0x30;
  const inner = isHolder ? parse(node.content.subarray(head.length)) : members;
  const encoded = inner.map(({ tag, content }) => der(tag, content));
  for (const [position, member] of inner.entries()) {
    for (const other of filled(member, fill)) {
      yield der(node.tag, head, ...encoded.map((each, index) => (index === position ? other : each)));
    }
  }
}

// A reader whose time grows with the square of a length takes minutes here.
it.runIf(IS_SOAK)(
  'each value in a certificate filled with 300 KB is refused, and costs no more than it has bytes',
  () => {
    const [root] = parse(LEAF.raw);
    if (root === undefined) throw new Error('there is nothing to fill');
    for (const byte of [0x00, 0x01, 0x41, 0x81, 0xff]) {
      for (const raw of filled(root, Buffer.alloc(300_000, byte))) {
        expect(attachmentVerdict(byFulcio(bundleBy(withBytes(LEAF, raw))))).toMatch(
          /^(?:certificate(?:-path)?|not-authentic)$/,
        );
      }
    }
  },
  120_000,
);

describe('any bytes', () => {
  const refuse = (what: string): never => {
    throw new TypeError(what);
  };

  it('in place of a part of a certificate are refused', () => {
    const { raw } = LEAF;
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.nat(8), fc.uint8Array({ maxLength: 8 }), (start, length, others) => {
        const changed = Buffer.concat([raw.subarray(0, start), others, raw.subarray(start + length)]);
        fc.pre(!changed.equals(raw));
        expect(attachmentVerdict(byFulcio(bundleBy(withBytes(LEAF, changed))))).not.toBe('accepted');
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it('are a value in DER, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          const value = readDer(bytes, { maxDepth: 32 }, refuse);
          expect(Buffer.from(value.raw).equals(bytes)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
      }),
      { numRuns: NUM_RUNS, examples: [[Uint8Array.of(5, 0)], [Uint8Array.of(0x30, 0x80)], [ROOT.raw]] },
    );
  });
});
