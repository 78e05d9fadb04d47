import { describe, expect, it } from 'vitest';
import {
  bytesField,
  bytesListField,
  defineMessage,
  int32Field,
  int64Field,
  messageField,
  messageListField,
  optionalUint64Field,
  textField,
  textListField,
  textMapField,
} from '../../../src/ttrpc/message.ts';
import { expectLinearTime } from '../../support/machine/linear-time.ts';
import { expectFailure } from '../../support/matchers.ts';

const Inner = defineMessage('Inner', { name: textField(1, 8) });
const Example = defineMessage('Example', {
  text: textField(1, 8),
  bytes: bytesField(2),
  small: int32Field(3),
  large: int64Field(4),
  index: optionalUint64Field(5),
  inner: messageField(6, Inner),
  texts: textListField(7, { items: 2, bytes: 8 }),
  blobs: bytesListField(8, 2),
  inners: messageListField(9, 2, Inner),
  map: textMapField(10, { items: 2, bytes: 8 }),
});
const EMPTY = Example.decode(new Uint8Array(0));

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const encodeHex = (change: Partial<typeof EMPTY>) =>
  Buffer.from(Example.encode({ ...EMPTY, ...change })).toString('hex');

describe('defineMessage', () => {
  it('writes nothing for what is as good as absent, and reads that back', () => {
    expect(Example.encode(EMPTY)).toEqual(new Uint8Array(0));
    expect(EMPTY).toMatchObject({ text: '', small: 0, large: 0n, index: undefined, inner: undefined, texts: [] });
  });

  it.each([
    ['text', { text: 'héllo' }, '0a0668c3a96c6c6f'],
    ['bytes', { bytes: hex('00ff') }, '120200ff'],
    ['a negative int32, in ten bytes', { small: -1 }, '18ffffffffffffffffff01'],
    ['an int64', { large: 50_000_000_000n }, '2080e8eda1ba01'],
    ['a negative int64', { large: -1n }, '20ffffffffffffffffff01'],
    ['an optional zero', { index: 0n }, '2800'],
    ['an optional uint64', { index: 2n ** 64n - 1n }, '28ffffffffffffffffff01'],
    ['an empty message', { inner: { name: '' } }, '3200'],
    ['a message', { inner: { name: 'a' } }, '32030a0161'],
    ['a list, with its empty elements', { texts: ['', 'b'] }, '3a003a0162'],
    ['blobs', { blobs: [hex('01'), hex('')] }, '4201014200'],
    ['messages', { inners: [{ name: 'a' }, { name: '' }] }, '4a030a01614a00'],
    [
      'a map, in its order',
      {
        map: new Map([
          ['b', ''],
          ['a', 'x'],
        ]),
      },
      '52030a016252060a0161120178',
    ],
  ])('writes and reads %s', (_, change, expected) => {
    expect(encodeHex(change)).toBe(expected);
    const read = Example.decode(hex(expected));
    expect(Buffer.from(Example.encode(read)).toString('hex')).toBe(expected);
    expect(read).toMatchObject(
      Object.fromEntries(Object.entries(change).filter(([key]) => key !== 'bytes' && key !== 'blobs')),
    );
  });

  it('skips unknown fields of every wire type', () => {
    const unknown = '7801 790000000000000000 7a0161 7b 7801 7c 7d00000000';
    expect(Example.decode(hex(`${unknown} 0a0161 ${unknown}`)).text).toBe('a');
  });

  it('takes the last of a field that comes twice, and of a key', () => {
    expect(Example.decode(hex('0a0161 0a0162')).text).toBe('b');
    expect(Example.decode(hex('52060a0161120178 52060a0161120179')).map).toEqual(new Map([['a', 'y']]));
  });

  it('reads half a million entries of one key in linear time', () => {
    expectLinearTime(500_000, (entries) => {
      const encoded = hex('52060a0161120178'.repeat(entries));
      return () => expect(Example.decode(encoded).map).toEqual(new Map([['a', 'x']]));
    });
    expect(EMPTY.map.size).toBe(0);
  });

  it.each([
    ['a wrong wire type', '0801'],
    ['a wrong wire type for a number', '1a00'],
    ['a length beyond the end', '0a05 61'],
    ['a length of 4 GiB', '0affffffff0f 61'],
    ['a length beyond 64 bits', '0affffffffffffffffffff01'],
    ['a tag without a value', '0a'],
    ['a varint that does not end', '18ffffffff'],
    ['a varint of eleven bytes', '20ffffffffffffffffffff01'],
    ['field number 0', '00'],
    ['wire type 6', '0e'],
    ['wire type 7', '0f'],
    ['an end of a group that never began', '7c'],
    ['a group that does not end', '7b 7801'],
    ['bytes that are not UTF-8', '0a01ff'],
    ['half a surrogate pair', '0a03eda080'],
    ['text one byte too long', '0a09 616161616161616161'],
    ['an element one byte too long', '3a09 616161616161616161'],
    ['an item too many', '3a00 3a00 3a00'],
    ['a blob too many', '4200 4200 4200'],
    ['a message too many', '4a00 4a00 4a00'],
    ['an entry too many', '5200 52030a0161 52030a0162'],
    ['a map key one byte too long', '520b 0a09 616161616161616161'],
    ['an inner message with a wrong type', '3202 0801'],
    ['an inner message cut short', '3202 0a05'],
    ['garbage behind a field', '0a0161 ff'],
  ])('refuses %s', async (_, bytes) => {
    await expectFailure('TTRPC_MESSAGE_INVALID', () => Example.decode(hex(bytes)));
  });

  it('refuses groups nested without end', async () => {
    await expectFailure('TTRPC_MESSAGE_INVALID', () => Example.decode(Buffer.alloc(1_000_000, 0x7b)));
  });
});
