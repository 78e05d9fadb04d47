import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import { readPayload } from '../../src/signature/signed-content/read-payload.ts';
import { readPackets } from '../../src/signature/simple-signing/read-packets.ts';
import { readSignedMessage } from '../../src/signature/simple-signing/read-signed-message.ts';
import { compressedPacket, join, packetsOf } from '../support/builders/openpgp-packets.ts';
import { signingKey, simpleSignature, verdictOf } from '../support/signatures/simple-signatures.ts';
import { IS_SOAK } from '../support/soak.ts';

const MAX_BYTES = 100_000;

function parses(bytes: Uint8Array): boolean {
  try {
    readSignedMessage(bytes, MAX_BYTES);
    return true;
  } catch (error) {
    expect(error instanceof SealiftError && error.code).toBe('SIGNATURE_REFUSED');
    return false;
  }
}

describe('a simple signature', () => {
  /** The bytes that no signature covers: lengths and headers written otherwise, the literal's name and date. */
  it.each(['ed25519', 'uncompressed', 'nistp256'])(
    '%s with one bit flipped anywhere says what it said, or is refused',
    async (name) => {
      const key = name === 'nistp256' ? name : 'ed25519';
      const original = simpleSignature(name);
      const { untrustedContent } = readSignedMessage(original, MAX_BYTES);
      expect(await verdictOf({ signature: original, keys: [key] })).toBe('accepted');
      const counts = { accepted: 0, refused: 0 };
      for (let bit = 0; bit < original.length * 8; bit += IS_SOAK ? 1 : 7) {
        const signature = Buffer.from(original);
        signature.writeUInt8(signature.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        const verdict = await verdictOf({ signature, keys: [key] });
        counts[verdict === 'accepted' ? 'accepted' : 'refused'] += 1;
        if (verdict !== 'accepted') continue;
        expect(readSignedMessage(signature, MAX_BYTES).untrustedContent, `bit ${bit}`).toEqual(untrustedContent);
      }
      // Most bytes are signed, or are the signature.
      expect(counts.refused).toBeGreaterThan(10 * counts.accepted);
    },
  );

  it('with one byte of the signed text or of the signature changed is refused', async () => {
    const [onePass, literal, signature] = packetsOf(simpleSignature('uncompressed'));
    if (onePass === undefined || literal === undefined || signature === undefined)
      throw new Error('a packet is missing');
    const textBegin = 6 + (literal.body[1] ?? 0);
    const hashedEnd = 6 + Buffer.from(signature.body).readUInt16BE(4);
    // Control: in both forms the message counts as it is.
    expect(await verdictOf({ signature: join([onePass, literal, signature]) })).toBe('accepted');
    expect(await verdictOf({ signature: join([signature, literal]) })).toBe('accepted');
    const flip = (body: Uint8Array, position: number, by: number) => {
      const copy = Buffer.from(body);
      copy.writeUInt8(copy.readUInt8(position) ^ by, position);
      return copy;
    };
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: textBegin, max: literal.body.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (position, by) => {
          const changed = { ...literal, body: flip(literal.body, position, by) };
          expect(await verdictOf({ signature: join([onePass, changed, signature]) })).not.toBe('accepted');
        },
      ),
      { numRuns: IS_SOAK ? 5000 : 100 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: hashedEnd - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (position, by) => {
          const changed = { ...signature, body: flip(signature.body, position, by) };
          expect(await verdictOf({ signature: join([changed, literal]) })).not.toBe('accepted');
        },
      ),
      { numRuns: IS_SOAK ? 5000 : 100 },
    );
  });

  it('cut off anywhere is refused', async () => {
    for (const name of ['ed25519', 'uncompressed']) {
      const bytes = simpleSignature(name);
      expect(await verdictOf({ signature: bytes })).toBe('accepted');
      for (let length = 0; length < bytes.length; length += IS_SOAK ? 1 : 3) {
        expect(await verdictOf({ signature: bytes.subarray(0, length) }), `${name}, ${length} bytes`).not.toBe(
          'accepted',
        );
      }
    }
  });

  it('in any order, repeated or mixed with packets of other kinds, is accepted in its two forms only', () => {
    const packets = packetsOf(simpleSignature('uncompressed'));
    const others = packetsOf(signingKey('ed25519'));
    const mixed = fc.array(fc.constantFrom(...packets, ...others), { maxLength: 6 });
    const [onePass, literal, signature] = packets;
    if (onePass === undefined || literal === undefined || signature === undefined)
      throw new Error('a packet is missing');
    const forms = [
      [onePass, literal, signature],
      [signature, literal],
    ];
    fc.assert(
      fc.property(mixed, fc.boolean(), (chosen, isCompressed) => {
        const bytes = isCompressed ? compressedPacket(join(chosen)) : join(chosen);
        const isForm = forms.some(
          (form) => form.length === chosen.length && form.every((each, at) => each === chosen[at]),
        );
        expect(parses(bytes)).toBe(isForm);
      }),
      {
        numRuns: IS_SOAK ? 20_000 : 500,
        examples: forms.flatMap((form) =>
          [false, true].map((isCompressed): [typeof form, boolean] => [form, isCompressed]),
        ),
      },
    );
  });
});

describe('any bytes', () => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  const runs = { numRuns: IS_SOAK ? 50_000 : 1000 };

  it('are walked to their end or refused, and no packet reaches beyond them', () => {
    const refuse = (what: string): never => {
      throw new SealiftError('SIGNATURE_REFUSED', what);
    };
    fc.assert(
      fc.property(bytes, (raw) => {
        let total = 0;
        try {
          for (const { body } of readPackets(raw, refuse)) total += body.length + 1;
        } catch (error) {
          expect(error instanceof SealiftError && error.code).toBe('SIGNATURE_REFUSED');
        }
        expect(total).toBeLessThanOrEqual(raw.length);
      }),
      runs,
    );
  });

  it('are no signature, with or without a header of a packet in front', () => {
    fc.assert(
      fc.property(
        fc.constantFrom([], [0xa3, 1], [0x90, 13], [0xc4, 13], [0x88], [0xcb, 0xe9], [0]),
        bytes,
        (head, raw) => {
          expect(parses(Buffer.concat([Buffer.from(head), raw]))).toBe(false);
        },
      ),
      runs,
    );
  });
});

describe('the signed text', () => {
  const payload = {
    critical: {
      type: 'atomic container signature',
      image: { 'docker-manifest-digest': 'sha256:0' },
      identity: { 'docker-reference': 'r.io/app:1' },
    },
    optional: { creator: 'x', timestamp: 1 },
  };
  const text = JSON.stringify(payload);
  const members = [...text.matchAll(/"([a-z-]+)":/g)].map(({ 0: member, index }) => ({ member, index }));
  /** The members that have to be there, and what they hold. */
  const needed = members.filter(({ member }) => !/creator|timestamp/.test(member));

  const isRead = (changed: string): boolean => {
    try {
      readPayload(Buffer.from(changed), { type: payload.critical.type, mayLackOptional: false });
      return true;
    } catch (error) {
      expect(error instanceof SealiftError && error.code).toBe('SIGNATURE_REFUSED');
      return false;
    }
  };

  it('is read as it is, and refused with a member renamed, doubled or of another type', () => {
    expect(isRead(text)).toBe(true);
    const other = fc.jsonValue({ maxDepth: 2 });
    fc.assert(
      fc.property(
        fc.constantFrom(...members),
        fc.constantFrom(...needed),
        other,
        fc.string(),
        (any, must, value, name) => {
          const json = JSON.stringify(value);
          const insertAt = (index: number, added: string) => text.slice(0, index) + added + text.slice(index);
          expect(isRead(insertAt(any.index, `${any.member}${json},`)), 'doubled').toBe(false);
          const renamed = `"${must.member.slice(1, -2)}${name.replace(/[^a-z]/g, '')}-":`;
          expect(isRead(text.replace(must.member, renamed)), 'renamed').toBe(false);
          const replaced = JSON.stringify(payload, (key, old) => (`"${key}":` === must.member ? value : old));
          const isSame = typeof value === 'string' && /docker-/.test(must.member);
          if (!isSame && json !== JSON.stringify(payload.optional) && must.member !== '"optional":') {
            expect(isRead(replaced), 'of another type').toBe(false);
          }
        },
      ),
      { numRuns: IS_SOAK ? 20_000 : 500 },
    );
  });

  it('is refused when it is cut off anywhere', () => {
    for (let length = 0; length < text.length; length += 1) expect(isRead(text.slice(0, length))).toBe(false);
  });
});
