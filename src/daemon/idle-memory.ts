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
  /** Returns what V8 keeps of threads that ended some time ago. */
  readonly releaseThreadMemory: () => void;
  /** Returns code, which is read again for the next work. */
  readonly releaseCode: () => PageOutResult;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The waits after the end of the last thread, in times that a thread is kept: by default the memory of threads goes 45 s
 * after the last work, and code after a minute. V8 collects garbage in between, for which it needs code.
 */
const THREAD_MEMORY_WAITS = 2;
const CODE_WAITS = 1;
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
    const { releaseMemory, releaseThreadMemory } = this.#ports;
    this.#wait.abort();
    this.#wait = new AbortController();
    const { signal } = this.#wait;
    releaseMemory();
    if (!(await this.#staysIdle(THREAD_MEMORY_WAITS, signal))) return;
    releaseThreadMemory();
    if (await this.#staysIdle(CODE_WAITS, signal)) this.#releaseCode();
  }

  /** Waits, and returns true if there is still nothing to do. A thread that has started calls again when it has ended. */
  async #staysIdle(waits: number, signal: AbortSignal): Promise<boolean> {
    const { clock, workerIdleMs, hasThreads } = this.#ports;
    await clock.sleep(Math.min(waits * workerIdleMs, LONGEST_TIMER_MS), signal);
    return !signal.aborted && !hasThreads();
  }

  #releaseCode(): void {
    const { releaseCode, log } = this.#ports;
    try {
      const { askedBytes, failures } = releaseCode();
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
