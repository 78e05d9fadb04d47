import { asSealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { Clock, PageOutResult } from '../platform/index.ts';

export interface IdleMemoryPorts {
  /** How long a thread without work is kept. */
  readonly workerIdleMs: number;
  /** True while a worker thread exists, and so during every pull. */
  readonly hasThreads: () => boolean;
  /** Returns memory that is free in this process to the kernel. */
  readonly releaseMemory: () => void;
  /** Returns also what the next work needs again. */
  readonly releaseIdleMemory: () => PageOutResult;
  readonly clock: Clock;
  readonly log: Logger;
}

/** By default, code goes after a minute without work: threads end after 15 s, and then three times as long passes. */
const QUIET_FACTOR = 3;
/** The longest time that a timer of Node can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Gives memory back while the daemon has nothing to do: at once what threads have left behind, and after a quiet time
 * also code, which the kernel reads again for the next pull.
 * docs/adr/0023-memory-of-an-idle-daemon.md
 */
export class IdleMemory {
  readonly #ports: IdleMemoryPorts;
  #wait = new AbortController();

  constructor(ports: IdleMemoryPorts) {
    this.#ports = ports;
  }

  /** To be called when the daemon has started and whenever its last thread has ended. */
  async noteIdle(): Promise<void> {
    const { releaseMemory, hasThreads, clock, workerIdleMs } = this.#ports;
    this.#wait.abort();
    this.#wait = new AbortController();
    const { signal } = this.#wait;
    releaseMemory();
    await clock.sleep(Math.min(QUIET_FACTOR * workerIdleMs, LONGEST_TIMER_MS), signal);
    // A thread that has started since calls again when it has ended.
    if (!signal.aborted && !hasThreads()) this.#giveBack();
  }

  #giveBack(): void {
    const { releaseIdleMemory, log } = this.#ports;
    try {
      const { askedBytes, failures } = releaseIdleMemory();
      log.debug({ askedBytes }, 'idle code paged out');
      for (const failure of failures) this.#logFailure(failure);
    } catch (error) {
      this.#logFailure(error);
    }
  }

  /** A kernel that cannot page out costs memory only. */
  #logFailure(error: unknown): void {
    const { code, message } = asSealiftError(error);
    this.#ports.log.debug({ code, error: message }, 'idle code cannot be paged out');
  }
}
