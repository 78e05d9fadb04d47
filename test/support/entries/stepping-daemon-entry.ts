import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { startSealiftd } from '../../../src/compose/start-daemon.ts';
import { collectAllGarbage } from '../../../src/platform/index.ts';
import { CHECKPOINT_VARIABLE, createCheckpoint, LIVE_BYTES } from '../programs/checkpoint-folder.ts';

/**
 * Writes the live bytes of the main thread, after garbage collection: with dead objects counted, growth would not show.
 */
async function writeLiveBytes(folder: string): Promise<void> {
  // Some objects can be collected only after those that referred to them.
  for (let turn = 0; turn < 5; turn += 1) {
    collectAllGarbage();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(join(folder, `${LIVE_BYTES}.new`), String(heapUsed + external));
  renameSync(join(folder, `${LIVE_BYTES}.new`), join(folder, LIVE_BYTES));
}

/** sealiftd as it is shipped, except for its checkpoints and its handler for SIGUSR2. */
process.umask(0o022);
const folder = process.env[CHECKPOINT_VARIABLE];
if (folder !== undefined) process.on('SIGUSR2', () => void writeLiveBytes(folder));
process.exit(
  await startSealiftd({
    configFile: process.argv[2],
    environment: process.env,
    version: 'test',
    onSignal: (name, listener) => process.on(name, listener),
    checkpoint: createCheckpoint(process.env),
  }),
);
