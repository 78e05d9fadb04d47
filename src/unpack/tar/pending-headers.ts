import { type ByteString, toByteString } from '../../bytes/index.ts';
import type { Limits } from '../../limits/index.ts';
import { type HeaderBody, parsePaxRecords } from './parse-pax-records.ts';
import { type PaxOverrides, readPaxOverrides } from './pax-overrides.ts';
import { malformed } from './refuse.ts';

/** Headers that are not members: they describe the member that follows, except global ones, which apply to nothing. */
export type MetaKind = 'extended' | 'global' | 'long name' | 'long link';

const META_KINDS: ReadonlyMap<number, MetaKind> = new Map([
  [0x78, 'extended'],
  [0x67, 'global'],
  [0x4c, 'long name'],
  [0x4b, 'long link'],
]);

export function metaKind(flag: number): MetaKind | undefined {
  return META_KINDS.get(flag);
}

const NONE: PaxOverrides = Object.freeze({});

/**
 * Collects the headers that precede a member and describe it: at most one extended header, one long name and one long
 * link. Refuses what readers interpret differently: two headers of one kind, or a global header in between. No header
 * here ever applies to another meta header (CVE-2026-53655).
 */
export class PendingHeaders {
  readonly #limits: Limits;
  #pax: PaxOverrides | undefined;
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#pax === undefined && this.#longName === undefined && this.#longLink === undefined;
  }

  /** Adds a meta header. */
  add(kind: MetaKind, body: HeaderBody): void {
    switch (kind) {
      case 'global':
        if (!this.isEmpty)
          throw malformed('expected the member that the previous header describes, got a global header');
        // It must be well-formed and applies to nothing, as in Go's archive/tar.
        parsePaxRecords(body);
        return;
      case 'extended':
        requireFirst(kind, this.#pax);
        this.#pax = readPaxOverrides(parsePaxRecords(body), this.#limits);
        return;
      case 'long name':
        requireFirst(kind, this.#longName);
        this.#longName = readLongString(body);
        return;
      case 'long link':
        requireFirst(kind, this.#longLink);
        this.#longLink = readLongString(body);
        return;
    }
  }

  /** Returns what was collected for a member, and forgets it. */
  take(): Readonly<PaxOverrides> {
    if (this.isEmpty) return NONE;
    const overrides: PaxOverrides = { ...this.#pax };
    if (this.#longName) overrides.path = requireOne('name', this.#longName, overrides.path);
    if (this.#longLink) overrides.linkpath = requireOne('link target', this.#longLink, overrides.linkpath);
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    return overrides;
  }
}

function requireFirst(kind: MetaKind, earlier: unknown): void {
  if (earlier !== undefined) throw malformed(`${kind} header: expected one for a member, got two`);
}

function requireOne(what: string, gnu: ByteString, pax: ByteString | undefined): ByteString {
  if (pax !== undefined) throw malformed(`${what}: expected a pax record or a GNU long ${what}, got both`);
  return gnu;
}

/** Reads a name up to its first NUL, as Go does. Bytes after it have no meaning. */
function readLongString({ bytes, start, end }: HeaderBody): ByteString {
  const text = bytes.subarray(start, end);
  const nul = text.indexOf(0);
  return toByteString(nul < 0 ? text : text.subarray(0, nul));
}
