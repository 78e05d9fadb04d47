import { SealiftError } from '../errors/index.ts';
import { LIMITS, limitExceeded } from '../limits/index.ts';

export interface JsonLimits {
  /** Levels of nested objects and arrays; a scalar document has depth 0. */
  readonly maxDepth?: number;
  /** Objects, arrays, texts, numbers and words, names of members not counted. */
  readonly maxValues?: number;
}

/**
 * More values than any real document has. Each value takes tens of bytes of memory and some more in a schema, so that a
 * few MiB of empty objects would take gigabytes.
 */
const MAX_VALUES = 200_000;

// Sticky, so that each match starts at the current position. Each pattern takes linear time.
const WHITESPACE = /[ \t\n\r]*/y;
const PLAIN_CHARACTERS = /[^"\\\u0000-\u001f]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const HEX_ESCAPE = /[0-9a-fA-F]{4}/y;
const WORD = /[a-z]+/y;

const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
]);

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/** Parses one document. `maxDepth` bounds the recursion. */
class JsonReader {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #maxValues: number;
  #position = 0;
  #values = 0;

  constructor(text: string, { maxDepth, maxValues }: Required<JsonLimits>) {
    this.#text = text;
    this.#maxDepth = maxDepth;
    this.#maxValues = maxValues;
  }

  document(): unknown {
    const value = this.#value(0);
    this.#skipWhitespace();
    if (this.#position !== this.#text.length) this.#refuse('expected the end of the document');
    return value;
  }

  #value(depth: number): unknown {
    this.#skipWhitespace();
    this.#values++;
    if (this.#values > this.#maxValues) this.#refuse(`expected at most ${this.#maxValues} values`);
    switch (this.#text[this.#position]) {
      case '{':
        return this.#object(this.#deeper(depth));
      case '[':
        return this.#array(this.#deeper(depth));
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #deeper(depth: number): number {
    if (depth >= this.#maxDepth) {
      const subject = `json at character ${this.#position}: levels of nesting`;
      throw limitExceeded(subject, { limit: 'maxJsonDepth', expected: this.#maxDepth, actual: depth + 1 });
    }
    return depth + 1;
  }

  /** With a null prototype, `__proto__` and `constructor` are keys like any other. */
  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = Object.create(null);
    this.#position++;
    if (this.#accept('}')) return object;
    do {
      this.#skipWhitespace();
      if (this.#text[this.#position] !== '"') this.#refuse('expected a key');
      const keyPosition = this.#position;
      const key = this.#string();
      if (key in object) this.#refuse(`duplicate key "${key.slice(0, 80)}"`, keyPosition);
      if (!this.#accept(':')) this.#refuse('expected ":"');
      object[key] = this.#value(depth);
    } while (this.#accept(','));
    if (!this.#accept('}')) this.#refuse('expected "," or "}"');
    return object;
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    this.#position++;
    if (this.#accept(']')) return array;
    do array.push(this.#value(depth));
    while (this.#accept(','));
    if (!this.#accept(']')) this.#refuse('expected "," or "]"');
    return array;
  }

  #string(): string {
    const start = this.#position++;
    let value = this.#take(PLAIN_CHARACTERS);
    while (this.#text[this.#position] === '\\') value += this.#escape() + this.#take(PLAIN_CHARACTERS);
    if (this.#text[this.#position] !== '"') this.#refuse('string is not closed or has a control character');
    this.#position++;
    if (!value.isWellFormed()) this.#refuse('string has half a surrogate pair', start);
    return value;
  }

  #escape(): string {
    const letter = this.#text[this.#position + 1] ?? '';
    this.#position += 2;
    if (letter === 'u') {
      const hex = this.#take(HEX_ESCAPE);
      if (hex === '') this.#refuse('expected four hex digits after \\u');
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    return SHORT_ESCAPES.get(letter) ?? this.#refuse('unknown escape', this.#position - 2);
  }

  #scalar(): number | boolean | null {
    const start = this.#position;
    const word = WORDS.get(this.#take(WORD));
    if (word !== undefined) return word;
    this.#position = start;
    const digits = this.#take(NUMBER);
    if (digits === '') this.#refuse('expected a value');
    const value = Number(digits);
    // A double would silently round such a number, and another parser might not.
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      this.#refuse('number is outside of ±(2^53-1)', start);
    }
    return value;
  }

  #accept(character: string): boolean {
    this.#skipWhitespace();
    if (this.#text[this.#position] !== character) return false;
    this.#position++;
    return true;
  }

  #skipWhitespace(): void {
    this.#take(WHITESPACE);
  }

  #take(pattern: RegExp): string {
    const start = this.#position;
    pattern.lastIndex = start;
    if (pattern.test(this.#text)) this.#position = pattern.lastIndex;
    return this.#text.slice(start, this.#position);
  }

  #refuse(what: string, position = this.#position): never {
    throw new SealiftError('JSON_INVALID', `json at character ${position}: ${what}`, { context: { position } });
  }
}

function decodeUtf8(rawBytes: Uint8Array): string {
  try {
    // ignoreBOM keeps the byte order mark in the text, so that the parser refuses it (RFC 8259 §8.1).
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(rawBytes);
  } catch (cause) {
    throw new SealiftError('JSON_INVALID', 'json: expected UTF-8', { cause });
  }
}

/**
 * Parses RFC 8259 JSON strictly, so that no other parser can read a different document from the same bytes: UTF-8
 * without a byte order mark, no duplicate keys, nothing after the value, no integer that a double rounds. Objects have
 * no prototype. Takes linear time. Throws `JSON_INVALID` with the position.
 */
export function parseStrictJson(raw: Uint8Array | string, limits: JsonLimits = {}): unknown {
  const text = typeof raw === 'string' ? raw : decodeUtf8(raw);
  const { maxDepth = LIMITS.maxJsonDepth.default, maxValues = MAX_VALUES } = limits;
  return new JsonReader(text, { maxDepth, maxValues }).document();
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
