import type { ByteSink } from '../bytes/index.ts';
import { SealiftError } from '../errors/index.ts';
import { abortReason } from './blames-bytes.ts';
import { PeerFailure, RING_ABORT_REASONS, type RingAbortReason } from './peer-failure.ts';

export const RING_SLOTS = 4;
export const SLOT_BYTES = 256 * 1024;

/** Control words before the slots. Both sides sleep only on SIGNAL, and every change adds one to it. */
const SIGNAL = 0;
const PUBLISHED = 1;
const CONSUMED = 2;
const ENDED = 3;
const ABORTED = 4;
const LENGTHS = 5;
const CONTROL_BYTES = 4096;

/** The other side of the ring, or the main thread, has given up on this line. */
export class RingAborted extends PeerFailure {
  readonly reason: RingAbortReason;
  override readonly peerRefusedBytes: boolean;
  constructor(reason: RingAbortReason) {
    super(`ring aborted: ${reason}`);
    this.reason = reason;
    this.peerRefusedBytes = reason === 'peer-refused';
  }
}

/** Memory of a ring that a stage writes its output into, so that no byte is copied on the way to the next thread. */
export interface SlotWriter {
  /** Returns a free slot of `SLOT_BYTES`; blocks the thread while there is none. */
  acquire(): Uint8Array;
  /** Passes on the first `length` bytes of the slot that `acquire` returned. */
  publish(length: number): void;
  end(): void;
}

export function createRingMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + RING_SLOTS * SLOT_BYTES);
}

/**
 * Single-producer, single-consumer ring of slots between two threads. A full ring blocks its writer, which stalls the
 * socket: that is the back-pressure. Because both sides sleep on one word, an abort cannot be missed: a waiter reads
 * SIGNAL, then all other words, then sleeps only if SIGNAL has not changed. See docs/adr/0011-ring-and-roles.md.
 */
export class Ring {
  readonly #control: Int32Array;
  readonly #slots: readonly Uint8Array[];
  #blockedMs = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#slots = Array.from({ length: RING_SLOTS }, (_, slot) =>
      Buffer.from(memory, CONTROL_BYTES + slot * SLOT_BYTES, SLOT_BYTES),
    );
  }

  /** Clears used memory for a new line. Call it only while no thread uses the ring. */
  reset(): void {
    this.#control.fill(0);
  }

  /** Wakes both sides with a {@link RingAborted}. The first reason stays. A finished line is not affected. */
  abort(reason: RingAbortReason): void {
    Atomics.compareExchange(this.#control, ABORTED, 0, RING_ABORT_REASONS.indexOf(reason) + 1);
    this.#signal();
  }

  /** Throws {@link RingAborted} after an abort; for a side that waits for something other than the ring. */
  throwIfAborted(): void {
    const reason = RING_ABORT_REASONS[Atomics.load(this.#control, ABORTED) - 1];
    if (reason !== undefined) throw new RingAborted(reason);
  }

  /** Milliseconds that this side has waited for the other side so far. */
  get blockedMs(): number {
    return this.#blockedMs;
  }

  writer(): SlotWriter {
    let published = 0;
    return {
      acquire: () => {
        this.#waitUntil(() => published - Atomics.load(this.#control, CONSUMED) < RING_SLOTS);
        return this.#slot(published);
      },
      publish: (length) => {
        Atomics.store(this.#control, LENGTHS + (published % RING_SLOTS), length);
        published += 1;
        Atomics.store(this.#control, PUBLISHED, published);
        this.#signal();
      },
      end: () => {
        Atomics.store(this.#control, ENDED, 1);
        this.#signal();
      },
    };
  }

  /** Passes all slots to the sink, then ends it. A sink that throws aborts the ring, so that the writer stops. */
  drainTo(sink: ByteSink): void {
    try {
      this.#drain(sink);
    } catch (error) {
      this.abort(abortReason(error));
      throw error;
    }
  }

  #drain(sink: ByteSink): void {
    let consumed = 0;
    for (;;) {
      this.#waitUntil(
        () => Atomics.load(this.#control, PUBLISHED) > consumed || Atomics.load(this.#control, ENDED) === 1,
      );
      if (Atomics.load(this.#control, PUBLISHED) === consumed) break;
      const length = Atomics.load(this.#control, LENGTHS + (consumed % RING_SLOTS));
      sink.write(this.#slot(consumed).subarray(0, length));
      consumed += 1;
      Atomics.store(this.#control, CONSUMED, consumed);
      this.#signal();
    }
    sink.end();
  }

  #slot(count: number): Uint8Array {
    const slot = this.#slots[count % RING_SLOTS];
    if (slot === undefined) throw new SealiftError('INTERNAL', `ring: no slot for ${count}`);
    return slot;
  }

  #waitUntil(isReady: () => boolean): void {
    for (;;) {
      const seen = Atomics.load(this.#control, SIGNAL);
      this.throwIfAborted();
      if (isReady()) return;
      const before = performance.now();
      Atomics.wait(this.#control, SIGNAL, seen);
      this.#blockedMs += performance.now() - before;
    }
  }

  #signal(): void {
    Atomics.add(this.#control, SIGNAL, 1);
    Atomics.notify(this.#control, SIGNAL);
  }
}
