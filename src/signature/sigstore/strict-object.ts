import { asSealiftError } from '../../errors/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../../oci/index.ts';
import { decodeBase64, type RefusalReason, refuseSignature, SignatureRefusal } from '../signed-content/index.ts';
import type { SigstoreLimits } from './types.ts';

/** The document that is read, for messages. */
export interface Document {
  /** A clause such as `it is no bundle of Sigstore`. */
  readonly isNot: string;
  /** Throws. */
  readonly refuse: (text: string) => never;
}

/** Returns what refuses a signature whose document cannot be read. */
export function refuseBecause(reason: RefusalReason): Document['refuse'] {
  return (text) => refuseSignature(reason, text);
}

/** At most so many items, and the limit that says so. */
export interface ItemBound {
  readonly limits: SigstoreLimits;
  readonly limit: keyof SigstoreLimits;
}

/** A statement has at most 1024 subjects with 32 digests each, and a predicate. */
const MAX_VALUES = 100_000;
/** For lists without a limit of their own; most of them may have one item only. */
const MAX_ITEMS = 32;

const WHOLE_NUMBER = /^(?:0|[1-9][0-9]{0,18})$/;

/** Parses a document whose members are then read by name. */
export function readDocument(raw: Uint8Array | string, document: Document, members?: readonly string[]): StrictObject {
  return new StrictObject(parse(raw, document), { document, where: 'document', members });
}

function parse(raw: Uint8Array | string, { isNot, refuse }: Document): unknown {
  try {
    return parseStrictJson(raw, { maxValues: MAX_VALUES });
  } catch (error) {
    return refuse(`${isNot}: ${asSealiftError(error).message}`);
  }
}

/** Throws `SIGNATURE_REFUSED` for bytes or items beyond a limit, and names the limit. */
export function requireWithin(actual: number, what: string, { limits, limit }: ItemBound): void {
  const expected = limits[limit];
  if (actual <= expected) return;
  const text = `it has ${actual} ${what}; expected at most ${expected} (${limit})`;
  throw new SignatureRefusal('too-large', text, { context: { limit, expected, actual } });
}

interface ObjectOptions {
  readonly document: Document;
  readonly where: string;
  /** All members that the object may have; undefined: any. */
  readonly members: readonly string[] | undefined;
}

/**
 * An object of a document that others wrote. Each member is read with the one type that it may have; an unknown member
 * refuses the document. The methods refuse it with the path of the member.
 */
export class StrictObject {
  readonly #object: JsonObject;
  readonly #document: Document;
  readonly #where: string;

  constructor(value: unknown, { document, where, members }: ObjectOptions) {
    this.#document = document;
    this.#where = where;
    if (!isJsonObject(value)) this.#refuse(where, 'expected an object');
    this.#object = value;
    const unknown = members === undefined ? undefined : Object.keys(value).find((name) => !members.includes(name));
    if (unknown !== undefined) this.#refuse(where, `unknown member "${unknown.slice(0, 80)}"`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  get names(): readonly string[] {
    return Object.keys(this.#object);
  }

  text(name: string): string {
    const value = this.#required(name);
    return typeof value === 'string' ? value : this.#refuse(this.#pathOf(name), 'expected a text');
  }

  /** Empty when absent, as ProtoJSON leaves empty texts out. */
  textOrEmpty(name: string): string {
    return this.has(name) ? this.text(name) : '';
  }

  /** Refuses a text that is not this one. */
  literal(name: string, expected: string): void {
    if (this.text(name) !== expected) this.#refuse(this.#pathOf(name), `expected "${expected}"`);
  }

  /** At least one byte. */
  bytes(name: string): Buffer {
    const bytes = decodeBase64(this.text(name));
    if (bytes === undefined || bytes.length === 0) this.#refuse(this.#pathOf(name), 'expected base64');
    return bytes;
  }

  /** A number of 64 bits, as a number or as a text. 0 when absent, as ProtoJSON leaves zeros out. */
  wholeNumber(name: string): bigint {
    const value = this.has(name) ? this.#object[name] : 0;
    const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
    if (!WHOLE_NUMBER.test(text)) this.#refuse(this.#pathOf(name), 'expected a whole number');
    const number = BigInt(text);
    if (number >= 2n ** 63n) this.#refuse(this.#pathOf(name), 'expected a number of 64 bits');
    return number;
  }

  object(name: string, members?: readonly string[]): StrictObject {
    return this.#nested(this.#required(name), this.#pathOf(name), members);
  }

  objectIfPresent(name: string, members?: readonly string[]): StrictObject | undefined {
    return this.has(name) ? this.object(name, members) : undefined;
  }

  /** The objects of a list; none when it is absent, as ProtoJSON leaves empty lists out. */
  objects(name: string, members: readonly string[] | undefined, bound?: ItemBound): readonly StrictObject[] {
    return this.#list(name, bound).map((value, position) =>
      this.#nested(value, `${this.#pathOf(name)}[${position}]`, members),
    );
  }

  /** The same for byte strings. */
  byteStrings(name: string, bound: ItemBound): readonly Buffer[] {
    return this.#list(name, bound).map((value, position) => {
      const bytes = typeof value === 'string' ? decodeBase64(value) : undefined;
      return bytes ?? this.#refuse(`${this.#pathOf(name)}[${position}]`, 'expected base64');
    });
  }

  /** Throws: the member is not what was expected. */
  refuse(name: string, what: string): never {
    return this.#refuse(this.#pathOf(name), what);
  }

  #list(name: string, bound: ItemBound | undefined): readonly unknown[] {
    const value = this.has(name) ? this.#object[name] : [];
    if (!Array.isArray(value)) return this.#refuse(this.#pathOf(name), 'expected a list');
    if (bound !== undefined) requireWithin(value.length, name, bound);
    else if (value.length > MAX_ITEMS) this.#refuse(this.#pathOf(name), `expected at most ${MAX_ITEMS} items`);
    return value;
  }

  #required(name: string): unknown {
    return this.has(name) ? this.#object[name] : this.#refuse(this.#where, `expected a member "${name}"`);
  }

  #nested(value: unknown, where: string, members: readonly string[] | undefined): StrictObject {
    return new StrictObject(value, { document: this.#document, where, members });
  }

  #pathOf(name: string): string {
    return this.#where === 'document' ? name : `${this.#where}.${name}`;
  }

  #refuse(where: string, what: string): never {
    return this.#document.refuse(`${this.#document.isNot}: ${where}: ${what}`);
  }
}
