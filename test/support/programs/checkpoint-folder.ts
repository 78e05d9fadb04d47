import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Names the folder, in the environment of a program whose checkpoints are watched. */
export const CHECKPOINT_VARIABLE = 'SEALIFT_TEST_CHECKPOINTS';
/** Every checkpoint that was passed, one a line. */
export const PASSED = 'passed';
/** The checkpoint at which the process kills itself. */
export const DIE_AT = 'die-at';

/** The daemon's answer to SIGUSR2: the bytes of live objects in the heap of its main thread. */
export const LIVE_BYTES = 'live-bytes';

/**
 * Makes the checkpoint function for every thread of a program: it records the checkpoint, and ends the process at the
 * chosen one.
 */
export function createCheckpoint(environment: NodeJS.ProcessEnv): (name: string) => void {
  const folder = environment[CHECKPOINT_VARIABLE];
  if (folder === undefined) return () => undefined;
  return (name) => {
    appendFileSync(join(folder, PASSED), `${name}\n`);
    if (readFileSync(join(folder, DIE_AT), 'utf8') === name) process.kill(process.pid, 'SIGKILL');
  };
}
