// https://www.rfc-editor.org/rfc/rfc9580#section-4

/** One packet of OpenPGP. */
export interface Packet {
  readonly tag: number;
  /** Without header and without the lengths of parts. */
  readonly body: Uint8Array;
  /** True for a packet of unknown length, which reaches to the end of what surrounds it. */
  readonly isOpenEnded: boolean;
}

/** Type IDs of packets. https://www.rfc-editor.org/rfc/rfc9580#section-5 */
export const TAGS = {
  encryptedSessionKey: 1,
  signature: 2,
  symmetricSessionKey: 3,
  onePassSignature: 4,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  compressed: 8,
  encrypted: 9,
  marker: 10,
  literal: 11,
  trust: 12,
  userId: 13,
  publicSubkey: 14,
  userAttribute: 17,
  protectedData: 18,
  aeadData: 20,
} as const;

/** The packets that may come in parts or with an unknown length. */
const STREAMED: ReadonlySet<number> = new Set([
  TAGS.compressed,
  TAGS.encrypted,
  TAGS.literal,
  TAGS.protectedData,
  TAGS.aeadData,
]);

/** https://www.rfc-editor.org/rfc/rfc9580#section-4.2.1.4: the first part has at least 512 bytes. */
const MIN_FIRST_PART = 512;

/** Each part costs an object before anything is verified; a real message has a few. */
const MAX_PARTS = 1024;

/** Makes the error for bytes that are no packets. */
export type RefuseBytes = (what: string) => never;

/**
 * Splits attacker-controlled bytes into packets, in linear time and without a copy, except of a packet in parts. Calls
 * `refuse` for the first header that is none, and for a length beyond the end.
 */
export function* readPackets(bytes: Uint8Array, refuse: RefuseBytes): Generator<Packet, void, void> {
  const reader = new PacketReader(bytes, refuse);
  for (let packet = reader.next(); packet !== undefined; packet = reader.next()) yield packet;
}

/** What a length says: a whole body, one part of it with more to come, or all that is left. */
type BodyLength = { readonly kind: 'whole' | 'part'; readonly length: number } | { readonly kind: 'rest' };

class PacketReader {
  readonly #bytes: Uint8Array;
  readonly #refuse: RefuseBytes;
  #position = 0;

  constructor(bytes: Uint8Array, refuse: RefuseBytes) {
    this.#bytes = bytes;
    this.#refuse = refuse;
  }

  next(): Packet | undefined {
    if (this.#position === this.#bytes.length) return undefined;
    const header = this.#byte();
    if ((header & 0x80) === 0) return this.#refuse(`byte ${this.#position - 1} begins no packet`);
    const isNewFormat = (header & 0x40) !== 0;
    const tag = isNewFormat ? header & 0x3f : (header & 0x3c) >> 2;
    if (tag === 0) return this.#refuse('packet type 0 is reserved');
    const length = isNewFormat ? this.#newLength() : this.#oldLength(header & 0x03);
    if (length.kind !== 'whole' && !STREAMED.has(tag)) {
      return this.#refuse(`a packet of type ${tag} has to have a definite length`);
    }
    if (length.kind === 'rest') {
      return { tag, body: this.#take(this.#bytes.length - this.#position), isOpenEnded: true };
    }
    const body = length.kind === 'whole' ? this.#take(length.length) : this.#parts(length.length);
    return { tag, body, isOpenEnded: false };
  }

  #byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) return this.#refuse('the last packet is cut off');
    this.#position += 1;
    return byte;
  }

  #number(octets: number): number {
    let value = 0;
    for (let count = 0; count < octets; count++) value = value * 256 + this.#byte();
    return value;
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#position) return this.#refuse('the last packet is cut off');
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }

  #oldLength(lengthType: number): BodyLength {
    return lengthType === 3 ? { kind: 'rest' } : { kind: 'whole', length: this.#number(2 ** lengthType) };
  }

  #newLength(): BodyLength {
    const first = this.#byte();
    if (first < 192) return { kind: 'whole', length: first };
    if (first < 224) return { kind: 'whole', length: (first - 192) * 256 + this.#byte() + 192 };
    if (first === 255) return { kind: 'whole', length: this.#number(4) };
    return { kind: 'part', length: 2 ** (first & 0x1f) };
  }

  /** A body in parts. Their number is bounded apart from the bytes, since each may have one byte only. */
  #parts(firstLength: number): Uint8Array {
    if (firstLength < MIN_FIRST_PART)
      return this.#refuse(`the first part of a packet has ${firstLength} bytes, not 512`);
    const parts = [this.#take(firstLength)];
    for (;;) {
      const length = this.#newLength();
      if (length.kind === 'rest') return this.#refuse('a part has no length');
      if (parts.length === MAX_PARTS) return this.#refuse(`a packet comes in more than ${MAX_PARTS} parts`);
      parts.push(this.#take(length.length));
      if (length.kind === 'whole') return Buffer.concat(parts);
    }
  }
}

/** Writes a packet with a definite length. */
export function formatPacket({ tag, body }: Pick<Packet, 'tag' | 'body'>): Uint8Array {
  const header = Buffer.alloc(6);
  header[0] = 0xc0 | tag;
  header[1] = 0xff;
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}
