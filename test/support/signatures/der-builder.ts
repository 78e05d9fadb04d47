/** Encodes a value in DER. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Uint8Array.of(tag), encodeLength(content.length), content]);
}

function encodeLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes = length > 0xffff ? 3 : length > 0xff ? 2 : 1;
  const encoded = Buffer.alloc(bytes);
  encoded.writeUIntBE(length, 0, bytes);
  return Buffer.concat([Uint8Array.of(0x80 | bytes), encoded]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
export const octets = (...parts: readonly Uint8Array[]): Buffer => der(0x04, ...parts);
export const bits = (...parts: readonly Uint8Array[]): Buffer => der(0x03, Uint8Array.of(0), ...parts);
export const integer = (...bytes: readonly number[]): Buffer => der(0x02, Uint8Array.from(bytes));
export const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text));
export const yes: Buffer = der(0x01, Uint8Array.of(0xff));

export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...others] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...others].flatMap((number) => {
    const digits = [number & 0x7f];
    for (let rest = Math.floor(number / 128); rest > 0; rest = Math.floor(rest / 128)) {
      digits.unshift((rest & 0x7f) | 0x80);
    }
    return digits;
  });
  return der(0x06, Uint8Array.from(bytes));
}

/** A UTCTime. */
export function time(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}
