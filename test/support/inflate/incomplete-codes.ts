import { frameMember } from './gzip-cases.ts';

/** Writes bits in the order of deflate: https://www.rfc-editor.org/rfc/rfc1951#section-3.1.1 */
class BitWriter {
  readonly #bits: number[] = [];

  /** Least significant bit first. */
  number(value: number, bits: number): void {
    for (let bit = 0; bit < bits; bit++) this.#bits.push((value >> bit) & 1);
  }

  /** Most significant bit first. */
  code(value: number, bits: number): void {
    for (let bit = bits - 1; bit >= 0; bit--) this.#bits.push((value >> bit) & 1);
  }

  toBuffer(): Buffer {
    const bytes = Buffer.alloc(Math.ceil(this.#bits.length / 8));
    for (const [at, bit] of this.#bits.entries()) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (bit << (at % 8));
    return bytes;
  }
}

/** The order of code lengths: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7 */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] as const;
/** The lengths of the codes that code lengths are written with: 18 is `0`, 1 is `10`, 2 is `11`. */
const LENGTHS: Readonly<Record<number, number>> = { 18: 1, 1: 2, 2: 2 };

/**
 * Returns a gzip member without content, in whose only block `a` and the end of the block have codes of two bits and
 * nothing else has one. With `usesUnknown` a code that means nothing comes before the end.
 */
export function incompleteMember({ usesUnknown }: { readonly usesUnknown: boolean }): Buffer {
  const writer = new BitWriter();
  const zeros = (count: number): void => {
    writer.code(0b0, 1);
    writer.number(count - 11, 7);
  };
  const two = (): void => writer.code(0b11, 2);
  // The last block, with codes of its own, for 257 literals and lengths and one distance.
  writer.number(1, 1);
  writer.number(2, 2);
  writer.number(0, 10);
  writer.number(ORDER.length - 4, 4);
  for (const symbol of ORDER) writer.number(LENGTHS[symbol] ?? 0, 3);
  zeros(97);
  two();
  zeros(138);
  zeros(20);
  two();
  writer.code(0b10, 2);
  if (usesUnknown) writer.code(0b10, 2);
  // The end of the block.
  writer.code(0b01, 2);
  return frameMember(Buffer.from('1f8b0800000000000003', 'hex'), writer.toBuffer(), Buffer.alloc(0));
}
