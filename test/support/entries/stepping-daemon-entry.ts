import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { runSealiftd } from '../../../src/compose/daemon.ts';
import { collectAllGarbage } from '../../../src/platform/index.ts';
import { CHECKPOINT_VARIABLE, createCheckpoint, LIVE_BYTES } from '../programs/checkpoint-folder.ts';

/** What is alive in the main thread: with what is dead and not collected yet nobody would see how it grows. */
async function writeLiveBytes(folder: string): Promise<void> {
  // Some only die when those that they belonged to are gone.
  for (let turn = 0; turn < 5; turn += 1) {
    collectAllGarbage();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(join(folder, `${LIVE_BYTES}.new`), String(heapUsed + external));
  renameSync(join(folder, `${LIVE_BYTES}.new`), join(folder, LIVE_BYTES));
}

/** sealiftd as it is shipped, but for its checkpoints, and for SIGUSR2. */
process.umask(0o022);
const folder = process.env[CHECKPOINT_VARIABLE];
if (folder !== undefined) process.on('SIGUSR2', () => void writeLiveBytes(folder));
process.exit(
  await runSealiftd({
    configFile: process.argv[2],
    environment: process.env,
    version: 'test',
    onSignal: (name, listener) => process.on(name, listener),
    checkpoint: createCheckpoint(process.env),
  }),
);
