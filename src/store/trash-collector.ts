import type { Run } from '../operations/index.ts';
import type { StoreOperations } from './types.ts';

/** Deletes in the background what was moved to the trash. */
export interface TrashCollector {
  start(): void;
  /** Resolves when nothing is being deleted. */
  idle(): Promise<void>;
}

export function createTrashCollector(runOperation: Run<StoreOperations>, dataDir: string): TrashCollector {
  let running: Promise<void> | undefined;
  let isWanted = false;

  async function collect(): Promise<void> {
    while (isWanted) {
      isWanted = false;
      // What could not be deleted, also for a disk that has stopped answering, is tried again at the next start.
      await Promise.allSettled([runOperation('emptyTrash', { dataDir })]);
    }
    running = undefined;
  }

  return {
    start: () => {
      isWanted = true;
      running ??= collect();
    },
    idle: async () => running,
  };
}
