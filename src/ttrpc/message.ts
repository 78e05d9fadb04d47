import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { SealiftError } from '../errors/index.ts';

/** Reads and writes one field of a message. */
export interface Field<Value> {
  readonly number: number;
  readonly wireType: WireType;
  /** The value of a field that is absent. */
  readonly empty: Value;
  /** Reads one occurrence of the field; `soFar` is the value that earlier occurrences gave. */
  read(reader: BinaryReader, soFar: Value): Value;
  /** Writes tag and value, once for each item; writes nothing for the value of an absent field. */
  write(writer: BinaryWriter, value: Value): void;
}

export interface MessageCodec<Message> {
  readonly name: string;
  /** Skips unknown fields. Throws `TTRPC_MESSAGE_INVALID`. */
  decode(bytes: Uint8Array): Message;
  encode(message: Message): Uint8Array;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type MessageOf<Table extends Fields> = {
  readonly [Name in keyof Table]: Table[Name] extends Field<infer Value> ? Value : never;
};

/** Creates a codec from a table of fields, which are written in the order of the table. */
export function defineMessage<Table extends Fields>(name: string, table: Table): MessageCodec<MessageOf<Table>> {
  const entries = Object.entries<Field<unknown>>(table);
  const byNumber = new Map(entries.map(([key, field]) => [field.number, { key, field }]));
  const decode = (bytes: Uint8Array): MessageOf<Table> => {
    const message: Record<string, unknown> = Object.fromEntries(entries.map(([key, { empty }]) => [key, empty]));
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) readField(reader, byNumber, message);
    return message as MessageOf<Table>;
  };
  return {
    name,
    decode: (bytes) => {
      try {
        return decode(bytes);
      } catch (error) {
        throw invalid(name, error);
      }
    },
    encode: (message) => {
      const writer = new BinaryWriter();
      for (const [key, field] of entries) field.write(writer, message[key]);
      return writer.finish();
    },
  };
}

function readField(
  reader: BinaryReader,
  byNumber: ReadonlyMap<number, { readonly key: string; readonly field: Field<unknown> }>,
  message: Record<string, unknown>,
): void {
  const [number, wireType] = reader.tag();
  const known = byNumber.get(number);
  if (known === undefined) {
    reader.skip(wireType, number);
    return;
  }
  const { key, field } = known;
  if (wireType !== field.wireType) throw refuse(`field ${key}: expected wire type ${field.wireType}, got ${wireType}`);
  message[key] = field.read(reader, message[key]);
}

function invalid(name: string, error: unknown): SealiftError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SealiftError('TTRPC_MESSAGE_INVALID', `decode ${name}: ${reason}`, { cause: error });
}

function refuse(reason: string): SealiftError {
  return new SealiftError('TTRPC_MESSAGE_INVALID', reason);
}

/** https://protobuf.dev/programming-guides/proto3/#scalar: strings are UTF-8. */
export function textField(number: number, maxBytes: number): Field<string> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    empty: '',
    read: (reader) => readText(reader, number, maxBytes),
    write: (writer, value) => {
      if (value !== '') writer.tag(number, WireType.LengthDelimited).string(value);
    },
  };
}

function readText(reader: BinaryReader, number: number, maxBytes: number): string {
  const start = reader.pos;
  const { byteLength } = reader.bytes();
  if (byteLength > maxBytes) throw refuse(`field ${number}: expected at most ${maxBytes} bytes, got ${byteLength}`);
  reader.pos = start;
  return reader.string(true);
}

/** The decoded bytes are a view of the message's bytes, not a copy. */
export function bytesField(number: number): Field<Uint8Array> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    empty: new Uint8Array(0),
    read: (reader) => reader.bytes(),
    write: (writer, value) => {
      if (value.byteLength > 0) writer.tag(number, WireType.LengthDelimited).bytes(value);
    },
  };
}

export function int32Field(number: number): Field<number> {
  return {
    number,
    wireType: WireType.Varint,
    empty: 0,
    read: (reader) => reader.int32(),
    write: (writer, value) => {
      if (value !== 0) writer.tag(number, WireType.Varint).int32(value);
    },
  };
}

export function int64Field(number: number): Field<bigint> {
  return {
    number,
    wireType: WireType.Varint,
    empty: 0n,
    read: (reader) => BigInt(reader.int64()),
    write: (writer, value) => {
      if (value !== 0n) writer.tag(number, WireType.Varint).int64(value);
    },
  };
}

/** For a field that the definition calls `optional`: zero is written and differs from absent. */
export function optionalUint64Field(number: number): Field<bigint | undefined> {
  return {
    number,
    wireType: WireType.Varint,
    empty: undefined,
    read: (reader) => BigInt(reader.uint64()),
    write: (writer, value) => {
      if (value !== undefined) writer.tag(number, WireType.Varint).uint64(value);
    },
  };
}

/** The last of several occurrences counts: they are not merged, since no known peer splits a message. */
export function messageField<Message>(number: number, codec: MessageCodec<Message>): Field<Message | undefined> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    empty: undefined,
    read: (reader) => codec.decode(reader.bytes()),
    write: (writer, value) => {
      if (value !== undefined) writer.tag(number, WireType.LengthDelimited).bytes(codec.encode(value));
    },
  };
}

interface Element<Value> {
  read(reader: BinaryReader): Value;
  write(writer: BinaryWriter, value: Value): void;
}

function repeatedField<Value>(number: number, maxItems: number, element: Element<Value>): Field<readonly Value[]> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    empty: [],
    read: (reader, soFar) => {
      if (soFar.length >= maxItems) throw refuse(`field ${number}: expected at most ${maxItems} items`);
      return [...soFar, element.read(reader)];
    },
    write: (writer, values) => {
      for (const value of values) element.write(writer.tag(number, WireType.LengthDelimited), value);
    },
  };
}

export function textListField(number: number, max: { items: number; bytes: number }): Field<readonly string[]> {
  return repeatedField(number, max.items, {
    read: (reader) => readText(reader, number, max.bytes),
    write: (writer, value) => writer.string(value),
  });
}

export function bytesListField(number: number, maxItems: number): Field<readonly Uint8Array[]> {
  return repeatedField(number, maxItems, {
    read: (reader) => reader.bytes(),
    write: (writer, value) => writer.bytes(value),
  });
}

export function messageListField<Message>(
  number: number,
  maxItems: number,
  codec: MessageCodec<Message>,
): Field<readonly Message[]> {
  return repeatedField(number, maxItems, {
    read: (reader) => codec.decode(reader.bytes()),
    write: (writer, value) => writer.bytes(codec.encode(value)),
  });
}

/**
 * https://protobuf.dev/programming-guides/encoding/#maps: messages of key and value; the last value of a key counts.
 */
export function textMapField(
  number: number,
  max: { items: number; bytes: number },
): Field<ReadonlyMap<string, string>> {
  const codec = defineMessage('map entry', { key: textField(1, max.bytes), value: textField(2, max.bytes) });
  return {
    number,
    wireType: WireType.LengthDelimited,
    empty: new Map(),
    read: (reader, soFar) => {
      const { key, value } = codec.decode(reader.bytes());
      if (soFar.size >= max.items && !soFar.has(key)) {
        throw refuse(`field ${number}: expected at most ${max.items} entries`);
      }
      // One map is filled by all entries: copying it for each of a million entries takes seconds.
      const entries = soFar.size === 0 ? new Map<string, string>() : (soFar as Map<string, string>);
      return entries.set(key, value);
    },
    write: (writer, entries) => {
      for (const [key, value] of entries) {
        writer.tag(number, WireType.LengthDelimited).bytes(codec.encode({ key, value }));
      }
    },
  };
}
