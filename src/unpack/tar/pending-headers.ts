import { type ByteString, toByteString } from '../../bytes/index.ts';
import type { Limits } from '../../limits/index.ts';
import { parsePaxRecords } from './parse-pax-records.ts';
import { type PaxOverrides, readPaxOverrides } from './pax-overrides.ts';
import { malformed } from './refuse.ts';

/** Headers that are no members: they say something of the member that follows, or (global) of nothing. */
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
 * Collects what stands before a member and belongs to it: at most one extended header, one long name and one long
 * link. Where readers are known to disagree (which of two wins, whether a global header in between cuts the bond) it
 * refuses. Nothing in here ever applies to another meta header (CVE-2026-53655).
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

  /** Takes the body of a meta header, `bytes` from `start` to `end`. */
  add(kind: MetaKind, bytes: Uint8Array, start: number, end: number): void {
    switch (kind) {
      case 'global':
        if (!this.isEmpty) throw malformed('global header: expected the member that the header before it describes');
        // Well-formed it must be; that it applies to nothing is what Go's archive/tar does.
        parsePaxRecords(bytes, start, end);
        return;
      case 'extended':
        requireFirst(kind, this.#pax);
        this.#pax = readPaxOverrides(parsePaxRecords(bytes, start, end), this.#limits);
        return;
      case 'long name':
        requireFirst(kind, this.#longName);
        this.#longName = readLongString(kind, bytes, start, end);
        return;
      case 'long link':
        requireFirst(kind, this.#longLink);
        this.#longLink = readLongString(kind, bytes, start, end);
        return;
    }
  }

  /** Hands out what was collected, once, for the member it belongs to. */
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

/** Ends at the first NUL. What stood behind it would be part of the name for readers that strip only a last NUL. */
function readLongString(kind: MetaKind, bytes: Uint8Array, start: number, end: number): ByteString {
  const body = bytes.subarray(start, end);
  const nul = body.indexOf(0);
  if (nul < 0) return toByteString(body);
  if (body.subarray(nul).some((byte) => byte !== 0)) throw malformed(`${kind} header: expected nothing after its NUL`);
  return toByteString(body.subarray(0, nul));
}
