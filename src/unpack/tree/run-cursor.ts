import { SealiftError } from '../../errors/index.ts';
import type { DataRun } from '../types.ts';

/** Finds out where in a sparse file its bytes belong as they arrive. */
export class RunCursor {
  readonly #runs: readonly DataRun[];
  #index = 0;
  /** Bytes of the current run that have arrived. */
  #done = 0;

  constructor(runs: readonly DataRun[]) {
    this.#runs = runs;
  }

  /** Calls `write` with each part of the chunk and its offset in the file. Throws INTERNAL for bytes beyond the runs. */
  spread(chunk: Uint8Array, write: (part: Uint8Array, offset: number) => void): void {
    for (let at = 0; at < chunk.length; ) {
      const run = this.#runs[this.#index];
      if (run === undefined) {
        throw new SealiftError('INTERNAL', `sparse file: expected no more data, got ${chunk.length - at} bytes`);
      }
      const part = chunk.subarray(at, at + run.length - this.#done);
      write(part, run.offset + this.#done);
      at += part.length;
      this.#done += part.length;
      if (this.#done < run.length) continue;
      this.#done = 0;
      this.#index += 1;
    }
  }
}
