/** Throws: the document is not what was expected. */
export type Refuse = (what: string) => never;

export interface DerBound {
  readonly maxDepth: number;
}

/** Identifier octets of the types that are read here. https://www.itu.int/rec/T-REC-X.690-202102-I, section 8.1.2 */
export const TAG = Object.freeze({
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
});

/** The tag of a member of a choice, or of an optional member: `[0]`, `[1]` … */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

const CONSTRUCTED = 0x20;
const HIGH_TAG_NUMBER = 0x1f;
/** Certificates have about 200 values, and timestamps with their certificates about 1000. */
const MAX_VALUES = 10_000;
const MAX_LENGTH_BYTES = 4;

interface Parsing extends DerBound {
  readonly refuse: Refuse;
  values: number;
}

/**
 * Reads one value in DER with everything in it, and nothing behind it. Depth and number of the values are bounded, and
 * lengths have their one spelling. Calls `refuse` for anything else.
 */
export function readDer(bytes: Uint8Array, { maxDepth }: DerBound, refuse: Refuse): DerValue {
  const [value, ...others] = parseValues(bytes, { maxDepth, refuse, values: 0 }, 1);
  if (value === undefined || others.length > 0) return refuse('expected one value in DER, and nothing behind it');
  return value;
}

function parseValues(bytes: Uint8Array, parsing: Parsing, depth: number): readonly DerValue[] {
  const { maxDepth, refuse } = parsing;
  if (depth > maxDepth && bytes.length > 0) refuse(`its DER is nested deeper than ${maxDepth} (maxDerDepth)`);
  const values: DerValue[] = [];
  for (let start = 0; start < bytes.length; ) {
    parsing.values += 1;
    if (parsing.values > MAX_VALUES) refuse(`its DER has more than ${MAX_VALUES} values`);
    const tag = bytes[start] ?? 0;
    if ((tag & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER) refuse('its DER has a tag of several bytes');
    const { length, lengthBytes } = parseLength(bytes, start + 1, refuse);
    const contentStart = start + 1 + lengthBytes;
    const end = contentStart + length;
    if (end > bytes.length) refuse('its DER ends early');
    const content = bytes.subarray(contentStart, end);
    const members = (tag & CONSTRUCTED) === 0 ? undefined : parseValues(content, parsing, depth + 1);
    values.push(new DerValue({ tag, raw: bytes.subarray(start, end), content, members }, refuse));
    start = end;
  }
  return values;
}

function parseLength(bytes: Uint8Array, start: number, refuse: Refuse): { length: number; lengthBytes: number } {
  const first = bytes[start] ?? refuse('its DER ends early');
  if (first < 0x80) return { length: first, lengthBytes: 1 };
  const count = first & 0x7f;
  if (count === 0 || count > MAX_LENGTH_BYTES) refuse('its DER has a length of no or too many bytes');
  let length = 0;
  for (const byte of bytes.subarray(start + 1, start + 1 + count)) length = length * 256 + byte;
  const isShortest = length >= 0x80 && bytes[start + 1] !== 0;
  return isShortest ? { length, lengthBytes: 1 + count } : refuse('its DER has a length that is not the shortest');
}

interface DerParts {
  readonly tag: number;
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
  readonly members: readonly DerValue[] | undefined;
}

/** A value that others wrote. Its type is known only after it was read as one; the methods call `refuse` otherwise. */
export class DerValue {
  readonly tag: number;
  /** Tag, length and content. */
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
  readonly #members: readonly DerValue[] | undefined;
  readonly #refuse: Refuse;

  constructor({ tag, raw, content, members }: DerParts, refuse: Refuse) {
    this.tag = tag;
    this.raw = raw;
    this.content = content;
    this.#members = members;
    this.#refuse = refuse;
  }

  refuse(what: string): never {
    return this.#refuse(what);
  }

  /** The members, to be taken in order. `tag`: another one than that of a sequence. */
  members(tag: number = TAG.sequence): DerMembers {
    const members = this.#expect(tag).#members;
    return new DerMembers(members ?? this.#refuse('expected a constructed value in DER'), this.#refuse);
  }

  boolean(tag: number = TAG.boolean): boolean {
    const [value] = this.#expect(tag).content;
    if (this.content.length !== 1 || (value !== 0 && value !== 0xff)) this.#refuse('expected a truth value in DER');
    return value === 0xff;
  }

  /** The bytes of an integer: two's complement, as short as possible. */
  integerBytes(tag: number = TAG.integer): Uint8Array {
    const { content } = this.#expect(tag);
    const [first = 0, second = 0] = content;
    const isPadded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    return content.length > 0 && !isPadded ? content : this.#refuse('expected an integer in DER');
  }

  /** An integer from 0 to 2^31 - 1. */
  smallInteger(tag: number = TAG.integer): number {
    const bytes = this.integerBytes(tag);
    if (bytes.length > 4 || (bytes[0] ?? 0) >= 0x80) return this.#refuse('expected a small integer in DER');
    return Buffer.from(bytes).readUIntBE(0, bytes.length);
  }

  /** The numbers of an object identifier, with dots between them. */
  objectIdentifier(): string {
    const { content } = this.#expect(TAG.objectIdentifier);
    // The time to read one number grows with the square of its length.
    if (content.length > MAX_OID_BYTES)
      this.#refuse(`expected an object identifier of at most ${MAX_OID_BYTES} bytes in DER`);
    const numbers: bigint[] = [];
    let number = 0n;
    let isFirstByte = true;
    for (const byte of content) {
      if (isFirstByte && byte === 0x80) this.#refuse('expected an object identifier in DER');
      number = number * 128n + BigInt(byte & 0x7f);
      isFirstByte = byte < 0x80;
      if (!isFirstByte) continue;
      numbers.push(number);
      number = 0n;
    }
    const [first] = numbers;
    if (first === undefined || !isFirstByte) return this.#refuse('expected an object identifier in DER');
    const root = first < 80n ? first / 40n : 2n;
    return [root, first - root * 40n, ...numbers.slice(1)].join('.');
  }

  octets(tag: number = TAG.octetString): Uint8Array {
    return this.#expect(tag).content;
  }

  /** A bit string of whole bytes. */
  bitString(): Uint8Array {
    const { content } = this.#expect(TAG.bitString);
    return content[0] === 0 ? content.subarray(1) : this.#refuse('expected a bit string of whole bytes in DER');
  }

  /** The numbers of the bits that are set in a list of named bits, which has no zeros at its end. */
  namedBits(): ReadonlySet<number> {
    const { content } = this.#expect(TAG.bitString);
    if (content.length > MAX_NAMED_BITS_BYTES) this.#refuse('expected a list of few named bits in DER');
    const [unused = 8, ...bytes] = content;
    const last = bytes.at(-1);
    const isValid = last === undefined ? unused === 0 : unused < 8 && lowestBitOf(last) === unused;
    if (!isValid) this.#refuse('expected a list of named bits in DER');
    const bits = new Set<number>();
    for (const [position, byte] of bytes.entries()) {
      for (let bit = 0; bit < 8; bit += 1) if ((byte & (0x80 >> bit)) !== 0) bits.add(position * 8 + bit);
    }
    return bits;
  }

  /** The text of a UTF8String. */
  utf8(): string {
    const { content } = this.#expect(TAG.utf8String);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
    } catch {
      return this.#refuse('expected a text in UTF-8 in DER');
    }
  }

  /** The text of an IA5String: ASCII without control characters. */
  ia5(tag: number = TAG.ia5String): string {
    const text = Buffer.from(this.#expect(tag).content).toString('latin1');
    return /^[ -~]*$/.test(text) ? text : this.#refuse('expected a text in ASCII in DER');
  }

  /** A UTCTime or GeneralizedTime. https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5 */
  time(): Date {
    const text = Buffer.from(this.content).toString('latin1');
    const isShort = this.tag === TAG.utcTime;
    if (!isShort && this.tag !== TAG.generalizedTime) return this.#refuse('expected a time in DER');
    const [, year = '', ...parts] = (isShort ? UTC_TIME : GENERALIZED_TIME).exec(text) ?? [];
    // RFC 5280 counts the years of a UTCTime from 1950 to 2049.
    const fullYear = isShort ? `${Number(year) < 50 ? '20' : '19'}${year}` : year;
    const [month, day, hours, minutes, seconds] = parts;
    const iso = `${fullYear}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`;
    const date = new Date(iso);
    // A date such as 31 February would become one in March.
    return parts.length === 5 && !Number.isNaN(date.getTime()) && date.toISOString() === iso
      ? date
      : this.#refuse('expected a time in DER, in seconds and in UTC');
  }

  #expect(tag: number): this {
    if (this.tag === tag) return this;
    return this.#refuse(`expected a value of the type ${hex(tag)} in DER, got ${hex(this.tag)}`);
  }
}

const MAX_OID_BYTES = 64;
/** With the byte that counts the unused bits. The longest list that is read here, that of key usage, has nine bits. */
const MAX_NAMED_BITS_BYTES = 5;
const UTC_TIME = /^([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z$/;
const GENERALIZED_TIME = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z$/;

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`;
}

function lowestBitOf(byte: number): number {
  return byte === 0 ? 8 : 31 - Math.clz32(byte & -byte);
}

/** The members of a value, which are taken one after the other. */
export class DerMembers {
  readonly #members: readonly DerValue[];
  readonly #refuse: Refuse;
  #position = 0;

  constructor(members: readonly DerValue[], refuse: Refuse) {
    this.#members = members;
    this.#refuse = refuse;
  }

  /** Takes the next member, of whatever type. */
  next(): DerValue {
    const member = this.#members[this.#position] ?? this.#refuse('expected a further member in DER');
    this.#position += 1;
    return member;
  }

  /** Takes the next member if it has this tag. */
  nextIf(tag: number): DerValue | undefined {
    return this.#members[this.#position]?.tag === tag ? this.next() : undefined;
  }

  /** Takes all that are left. */
  rest(): readonly DerValue[] {
    const rest = this.#members.slice(this.#position);
    this.#position = this.#members.length;
    return rest;
  }

  /** Requires that there is no further member. */
  end(): void {
    if (this.#position < this.#members.length) this.#refuse('expected no further member in DER');
  }
}
