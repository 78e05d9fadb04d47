import type { ByteSink } from '../../bytes/index.ts';
import { prefixError, SealiftError } from '../../errors/index.ts';
import { type Limits, limitExceeded } from '../../limits/index.ts';
import type { DataRun, EntrySink } from '../types.ts';
import { GatherBytes } from './gather-bytes.ts';
import { BLOCK_BYTES, isZeroBlock, parseHeader, type RawHeader } from './parse-header.ts';
import { type MetaKind, metaKind, PendingHeaders } from './pending-headers.ts';
import { malformed } from './refuse.ts';
import { type ResolvedMember, resolveMember, resolveSize } from './resolve-member.ts';
import { SparseMapReader, verifyRuns } from './sparse-map.ts';

/**
 * Creates the strict tar reader. It accepts no archive that Go's archive/tar refuses, and passes entries and content to
 * `sink` as they arrive; content is passed as parts of the written chunks. Throws TAR_INVALID, TAR_UNSUPPORTED or
 * LAYER_LIMIT_EXCEEDED. Bytes after the end marker are ignored. ADR 0001 says why it is a synchronous sink,
 * docs/adr/0001-synchronous-sink-stages.md.
 */
export function readTar(limits: Limits, sink: EntrySink): ByteSink {
  return new TarReader(limits, sink);
}

/** `closed`: after `end`, or after an error. */
type Phase = 'header' | 'meta' | 'sparse map' | 'content' | 'padding' | 'ended' | 'closed';

class TarReader implements ByteSink {
  readonly #limits: Limits;
  readonly #sink: EntrySink;
  readonly #pending: PendingHeaders;
  /** Collects a header block, or the body of a meta header. */
  readonly #run = new GatherBytes();
  #phase: Phase = 'header';
  /** The number of bytes of the archive before the current chunk. */
  #consumed = 0;
  /** Where the last header block starts, for messages. */
  #headerOffset = 0;
  #metaKind: MetaKind = 'global';
  #bodyBytes = 0;
  #contentLeft = 0;
  #paddingLeft = 0;
  #zeroBlockSeen = false;
  #entries = 0;
  #sparseBytes = 0;
  /** The sparse file whose map is being read from its content. */
  #mapped: { readonly member: ResolvedMember; readonly map: SparseMapReader } | undefined;

  constructor(limits: Limits, sink: EntrySink) {
    this.#limits = limits;
    this.#sink = sink;
    this.#pending = new PendingHeaders(limits);
    this.#run.begin(BLOCK_BYTES);
  }

  write(chunk: Uint8Array): void {
    this.#requireOpen();
    try {
      for (let at = 0; at < chunk.length; ) at += this.#step(chunk, at);
    } catch (error) {
      this.#phase = 'closed';
      throw error;
    }
    this.#consumed += chunk.length;
  }

  end(): void {
    this.#requireOpen();
    const phase = this.#phase;
    this.#phase = 'closed';
    this.#verifyWhole(phase);
    this.#sink.end();
  }

  #requireOpen(): void {
    if (this.#phase === 'closed')
      throw new SealiftError('INTERNAL', 'tar reader: used after its end or after an error');
  }

  /** Processes the chunk from `at` on as the phase requires; returns how many bytes were consumed. */
  #step(chunk: Uint8Array, at: number): number {
    switch (this.#phase) {
      case 'header':
        return this.#gatherHeader(chunk, at);
      case 'meta':
        return this.#gatherMeta(chunk, at);
      case 'sparse map':
        return this.#gatherMap(chunk, at);
      case 'content':
        return this.#passContent(chunk, at);
      case 'padding':
        return this.#skipPadding(chunk.length - at);
      default:
        return chunk.length - at;
    }
  }

  #gatherHeader(chunk: Uint8Array, at: number): number {
    if (this.#run.filled === 0) this.#headerOffset = this.#consumed + at;
    const taken = this.#run.take(chunk, at);
    if (!this.#run.isComplete) return taken;
    const { bytes, start } = this.#run;
    this.#run.begin(BLOCK_BYTES);
    if (isZeroBlock(bytes, start)) this.#acceptZeroBlock();
    else this.#acceptHeader(bytes, start);
    return taken;
  }

  #acceptZeroBlock(): void {
    this.#verifyNothingPending();
    if (this.#zeroBlockSeen) this.#phase = 'ended';
    this.#zeroBlockSeen = true;
  }

  #acceptHeader(block: Uint8Array, start: number): void {
    const member = this.#located(() => {
      if (this.#zeroBlockSeen) throw malformed('expected a second zero block after the first, got a header');
      const header = parseHeader(block, start);
      const kind = metaKind(header.flag);
      if (kind !== undefined) this.#beginMeta(kind, header);
      return kind === undefined ? this.#resolve(header) : undefined;
    });
    if (member === undefined) return;
    this.#beginContent(member.entry.size);
    const { entry, sparse } = member;
    if (sparse === undefined) this.#sink.entry(entry);
    else if (sparse.runs !== undefined) this.#beginSparse(member, sparse.runs);
    else {
      this.#mapped = { member, map: new SparseMapReader(this.#limits) };
      this.#phase = 'sparse map';
    }
  }

  /** Reads the map before the content of a sparse file block by block; the map must end within the content. */
  #gatherMap(chunk: Uint8Array, at: number): number {
    const taken = this.#run.take(chunk, at);
    if (!this.#run.isComplete || this.#mapped === undefined) return taken;
    const { bytes, start } = this.#run;
    const { member, map } = this.#mapped;
    this.#run.begin(BLOCK_BYTES);
    const runs = this.#located(() => {
      this.#contentLeft -= BLOCK_BYTES;
      if (this.#contentLeft < 0)
        throw malformed(`sparse map: expected it within ${member.entry.size} bytes of content`);
      return map.take(bytes, start);
    });
    if (runs === undefined) return taken;
    this.#mapped = undefined;
    this.#phase = this.#contentLeft > 0 ? 'content' : 'header';
    this.#beginSparse(member, runs);
    return taken;
  }

  #beginSparse({ entry, sparse }: ResolvedMember, runs: readonly DataRun[]): void {
    const contentBytes = this.#contentLeft;
    const verified = this.#located(() => {
      const size = resolveSize(sparse?.size ?? contentBytes, this.#limits);
      this.#countSparse(size);
      return verifyRuns(runs, size, contentBytes);
    });
    this.#sink.entry({ ...entry, size: contentBytes, sparse: verified });
  }

  /** Holes cost a layer nothing and a reader all their bytes, so the files of a layer are bounded together. */
  #countSparse(size: number): void {
    this.#sparseBytes += size;
    const { maxLayerBytes } = this.#limits;
    if (this.#sparseBytes <= maxLayerBytes) return;
    const excess = { limit: 'maxLayerBytes', expected: maxLayerBytes, actual: this.#sparseBytes } as const;
    throw limitExceeded('size of all sparse files', excess);
  }

  #resolve(header: RawHeader): ResolvedMember {
    this.#entries += 1;
    const { maxEntries } = this.#limits;
    if (this.#entries > maxEntries) {
      throw limitExceeded('entries', { limit: 'maxEntries', expected: maxEntries, actual: this.#entries });
    }
    return resolveMember(header, this.#pending.take(), this.#limits);
  }

  #beginMeta(kind: MetaKind, header: RawHeader): void {
    const { maxPaxBytes } = this.#limits;
    if (header.size > maxPaxBytes) {
      throw limitExceeded(`${kind} header`, { limit: 'maxPaxBytes', expected: maxPaxBytes, actual: header.size });
    }
    this.#metaKind = kind;
    this.#bodyBytes = header.size;
    this.#run.begin(header.size);
    this.#phase = 'meta';
    if (header.size === 0) this.#acceptMeta();
  }

  #gatherMeta(chunk: Uint8Array, at: number): number {
    const taken = this.#run.take(chunk, at);
    if (this.#run.isComplete) this.#located(() => this.#acceptMeta());
    return taken;
  }

  #acceptMeta(): void {
    const { bytes, start } = this.#run;
    this.#pending.add(this.#metaKind, { bytes, start, end: start + this.#bodyBytes });
    this.#run.begin(BLOCK_BYTES);
    this.#beginPadding(this.#bodyBytes);
  }

  #beginContent(size: number): void {
    this.#contentLeft = size;
    this.#bodyBytes = size;
    if (size > 0) this.#phase = 'content';
    else this.#phase = 'header';
  }

  /** Passes content on without copying it. */
  #passContent(chunk: Uint8Array, at: number): number {
    const length = Math.min(this.#contentLeft, chunk.length - at);
    this.#contentLeft -= length;
    if (this.#contentLeft === 0) this.#beginPadding(this.#bodyBytes);
    this.#sink.data(length === chunk.length ? chunk : chunk.subarray(at, at + length));
    return length;
  }

  #beginPadding(bodyBytes: number): void {
    this.#paddingLeft = (BLOCK_BYTES - (bodyBytes % BLOCK_BYTES)) % BLOCK_BYTES;
    this.#phase = this.#paddingLeft > 0 ? 'padding' : 'header';
  }

  #skipPadding(available: number): number {
    const length = Math.min(this.#paddingLeft, available);
    this.#paddingLeft -= length;
    if (this.#paddingLeft === 0) this.#phase = 'header';
    return length;
  }

  /** Checks the end. As in Go's archive/tar, the marker may be absent, and so may the last padding. */
  #verifyWhole(phase: Phase): void {
    if (phase === 'ended') return;
    this.#located(() => {
      if (phase === 'content' || phase === 'sparse map')
        throw malformed(`content: expected ${this.#contentLeft} more bytes, got the end of the archive`);
      if (phase === 'meta')
        throw malformed(`${this.#metaKind} header: expected ${this.#bodyBytes} bytes, got the end of the archive`);
      if (phase === 'header' && this.#run.filled > 0) {
        throw malformed(`expected a header of ${BLOCK_BYTES} bytes, got ${this.#run.filled}`);
      }
    });
    this.#verifyNothingPending();
  }

  #verifyNothingPending(): void {
    if (this.#pending.isEmpty) return;
    throw malformed('expected a member after the headers that describe it, got the end of the archive');
  }

  #located<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (error) {
      throw prefixError(`tar header at byte ${this.#headerOffset}`, error);
    }
  }
}
