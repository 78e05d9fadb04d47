import {
  type Bytes,
  file,
  type HeaderFields,
  padded,
  rawHeader,
  type TarMember,
  tar,
} from '../../../support/builders/tar-builder.ts';

/** Archives by name; the names are file names too. */
export type Cases = Record<string, Buffer>;

/** A member after the odd one: a reader that lost its position does not find it. */
export const TAIL = file('tail', 'the tail');

export function beforeTail(...members: readonly (TarMember | Uint8Array)[]): Buffer {
  return tar([...members, TAIL]);
}

/** Returns a regular file of five bytes with these header fields. */
export function rawFile(fields: HeaderFields = {}): Buffer {
  return Buffer.concat([rawHeader({ name: 'odd', size: 5, ...fields }), padded('hello')]);
}

/** One case for each value; values are named by their position in the table. */
export function sweep<Value>(
  prefix: string,
  values: Readonly<Record<string, Value>>,
  make: (value: Value) => Buffer,
): Cases {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}-${name}`, make(value)]));
}

export const LATIN1_NAME: Bytes = Buffer.from([0x6e, 0xe4, 0xff, 0x80, 0x6d]);
