import { closeListeners, openListeners } from '../api/index.ts';
import { guessSockets } from '../config/index.ts';
import { type DaemonSurroundings, startDaemon } from '../daemon/index.ts';

/** Serves until a signal stops the daemon; returns the exit code. */
export function startSealiftd(surroundings: DaemonSurroundings): Promise<number> {
  return startDaemon({
    onSignal: surroundings.onSignal,
    guessSockets: () => guessSockets(surroundings.configFile),
    openListeners,
    closeListeners,
    run: async (started) => (await import('./daemon.ts')).runSealiftd({ ...surroundings, ...started }),
  });
}
