import { describe, expect, it } from 'vitest';
import { parseStrictJson } from '../../../src/oci/index.ts';
import { expectLinearTime } from '../../support/machine/linear-time.ts';
import { expectFailure } from '../../support/matchers.ts';

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

describe('parseStrictJson', () => {
  it.each([
    ['scalars', '[0,-1,1.5,-2e-3,9007199254740991,-9007199254740991,true,false,null,"x"]'],
    ['whitespace everywhere', ' \t\r\n{ "a" : [ 1 , 2 ] , "b" : { } , "c" : [ ] } \n'],
    ['escapes', '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00"'],
    ['UTF-8 beyond the BMP', '{"é😀":"日本"}'],
    ['an empty key and a NUL in a string', '{"":"\\u0000"}'],
  ])('agrees with JSON.parse on %s', (_, text) => {
    expect(JSON.stringify(parseStrictJson(bytes(text)))).toBe(JSON.stringify(JSON.parse(text)));
    expect(JSON.stringify(parseStrictJson(text))).toBe(JSON.stringify(JSON.parse(text)));
  });

  it('keeps __proto__ and constructor as plain keys of an object without prototype', () => {
    const value = parseStrictJson('{"__proto__":{"polluted":1},"constructor":2}');
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(Object.entries(value as object).map(([key]) => key)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each<[string, Uint8Array | string]>([
    ['nothing', ''],
    ['only whitespace', ' \n'],
    ['a duplicate key', '{"a":1,"a":1}'],
    ['a duplicate key in another spelling', '{"a":1,"\\u0061":1}'],
    ['a duplicate __proto__', '{"__proto__":1,"__proto__":2}'],
    ['a deep duplicate key', '[{"a":{"b":1,"c":2,"b":3}}]'],
    ['a second document', '{}{}'],
    ['a trailing letter', '{} x'],
    ['a trailing NUL', bytes('{}', [0])],
    ['a trailing comma in an object', '{"a":1,}'],
    ['a trailing comma in an array', '[1,]'],
    ['a missing comma', '[1 2]'],
    ['a missing colon', '{"a" 1}'],
    ['a key without quotes', '{a:1}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{/* */}'],
    ['a byte order mark', bytes([0xef, 0xbb, 0xbf], '{}')],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
    ['an overlong form', bytes('"', [0xc0, 0xaf], '"')],
    ['a surrogate in UTF-8', bytes('"', [0xed, 0xa0, 0x80], '"')],
    ['a lone continuation byte', bytes('"', [0x80], '"')],
    ['a truncated character', bytes('"', [0xe2, 0x82], '"')],
    ['half a surrogate pair as escape', '"\\ud83d"'],
    ['a surrogate pair in the wrong order', '"\\ude00\\ud83d"'],
    ['half a surrogate pair in a key', '{"\\udc00":1}'],
    ['half a surrogate pair in a text', '"\ud83d"'],
    ['a raw newline in a string', '"a\nb"'],
    ['a raw NUL in a string', bytes('"a', [0], 'b"')],
    ['an unknown escape', '"\\x41"'],
    ['a short escape', '"\\u12"'],
    ['an escape at the end', '"\\'],
    ['an open string', '"abc'],
    ['an open object', '{"a":1'],
    ['an open array', '[1'],
    ['2^53', '9007199254740992'],
    ['-2^53', '-9007199254740992'],
    ['2^64 - 1', '18446744073709551615'],
    ['an integer beyond 2^53 written with an exponent', '1e16'],
    ['an infinite number', '1e999'],
    ['a leading zero', '01'],
    ['a plus sign', '+1'],
    ['a bare point', '.5'],
    ['a point without fraction', '1.'],
    ['an exponent without digits', '1e'],
    ['hexadecimal', '0x10'],
    ['NaN', 'NaN'],
    ['Infinity', '-Infinity'],
    ['a word with more letters', 'nullx'],
    ['a word in upper case', 'True'],
    ['a no-break space', '[\u00a01]'],
  ])('refuses %s', async (_, raw) => {
    await expectFailure('JSON_INVALID', () => parseStrictJson(raw));
  });

  it('says where it stopped', async () => {
    const error = await expectFailure('JSON_INVALID', () => parseStrictJson('{"a":1,"b":2,"a":3}'));
    expect(error.context).toEqual({ position: 13 });
    expect(error.message).toBe('json at character 13: duplicate key "a"');
  });

  it('allows as many values as it was told, and no more', async () => {
    expect(parseStrictJson('{"a":[1,2],"b":{}}', { maxValues: 5 })).toEqual({ a: [1, 2], b: {} });
    const error = await expectFailure('JSON_INVALID', () => parseStrictJson('{"a":[1,2],"b":{}}', { maxValues: 4 }));
    expect(error.message).toContain('expected at most 4 values');
  });

  it('bounds the values when it was told nothing', async () => {
    const list = (length: number) => `[${'{},'.repeat(length - 1)}{}]`;
    expect(parseStrictJson(list(199_999))).toHaveLength(199_999);
    await expectFailure('JSON_INVALID', () => parseStrictJson(list(1_400_000)));
  });

  it('allows as many levels as it was told, and no more', async () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseStrictJson(nested(3), { maxDepth: 3 })).toEqual([[[]]]);
    await expectFailure('JSON_INVALID', () => parseStrictJson(nested(4), { maxDepth: 3 }));
    await expectFailure('JSON_INVALID', () => parseStrictJson('{"a":{"b":1}}', { maxDepth: 1 }));
    expect(parseStrictJson('1', { maxDepth: 0 })).toBe(1);
    await expectFailure('JSON_INVALID', () => parseStrictJson('['.repeat(4_000_000)));
  });

  it.each<[string, number, (size: number) => string]>([
    ['one string', 4 << 20, (size) => `"${'x'.repeat(size)}"`],
    ['escapes', 2 << 20, (size) => `"${'\\n'.repeat(size)}"`],
    ['small numbers', 2 << 20, (size) => `[${'1,'.repeat(size)}1]`],
    ['one long number', 4 << 20, (size) => `0.${'1'.repeat(size)}`],
    ['distinct keys', 300_000, (size) => `{${Array.from({ length: size }, (_, n) => `"k${n}":1`).join(',')}}`],
    ['whitespace', 4 << 20, (size) => `${' '.repeat(size)}1`],
  ])('reads 4 MiB of %s in linear time', (_, full, textOf) => {
    expectLinearTime(full, (size) => {
      const bytes = Buffer.from(textOf(size));
      return () => parseStrictJson(bytes, { maxValues: Number.POSITIVE_INFINITY });
    });
  });
});
