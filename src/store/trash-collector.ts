import type { Run } from '../operations/index.ts';
import type { StoreOperations } from './types.ts';

/** Deletes what was moved to the trash, in the background. */
export interface TrashCollector {
  start(): void;
  /** Resolves once no deletion is running. */
  idle(): Promise<void>;
}

export function createTrashCollector(runOperation: Run<StoreOperations>, dataDir: string): TrashCollector {
  let running: Promise<void> | undefined;
  let isWanted = false;

  async function collect(): Promise<void> {
    while (isWanted) {
      isWanted = false;
      // A failure is not reported: what could not be deleted is tried again at the next start.
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
