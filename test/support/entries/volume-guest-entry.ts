import { existsSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkerOperations } from '../../../src/compose/operations.ts';
import { toPlainError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { createCommandRunner, readMapping } from '../../../src/platform/index.ts';
import { readVolumeStatus } from '../../../src/volume/index.ts';
import { openVolume } from '../../../src/volume/open-volume.ts';
import { WorkerPool } from '../../../src/workers/index.ts';
import type { GuestOptions, VolumeCall } from '../podvm/volume-guest-protocol.ts';

/**
 * A program in the pod VM that holds a volume as the daemon does: it reads a call from each line and writes an answer
 * line.
 */
const options = JSON.parse(process.argv[2] ?? '') as GuestOptions;
const { settings } = options;
const pool = new WorkerPool<WorkerOperations>({
  entry: new URL('./worker.mjs', import.meta.url),
  cores: 2,
  idleMs: 60_000,
  limits: DEFAULT_LIMITS,
  treeThread: false,
});
const runOperation = pool.runner('volume');
const passed: string[] = [];

function say(message: object): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

function checkpoint(name: string): void {
  passed.push(name);
  if (name === options.dieAt) process.kill(process.pid, 'SIGKILL');
  if (name !== options.pauseAt) return;
  const count = passed.filter((each) => each === name).length;
  say({ paused: name });
  // The thread waits, as a process that is stopped does.
  while (!existsSync(`${options.goOn}.${count}`)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

const volume = openVolume(settings, {
  commands: createCommandRunner(),
  runOperation,
  clock: { nowMs: () => performance.now(), sleep: (ms) => delay(ms) },
  checkpoint,
});

async function perform(call: VolumeCall): Promise<unknown> {
  switch (call.kind) {
    case 'prepare':
      return volume.prepare(call.request);
    case 'backing':
      return volume.backing();
    case 'status':
      return volume.status();
    case 'recordedStatus':
      return readVolumeStatus(settings, { runOperation });
    case 'reportStall':
      return volume.reportStall(new Error(call.reason));
    case 'readMapping':
      return readMapping(call.name);
    case 'passed':
      return { checkpoints: passed, stuckThreads: pool.stuckThreads };
  }
}

say({ isUp: true });
createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, call } = JSON.parse(line) as { readonly id: number; readonly call: VolumeCall };
  try {
    say({ id, value: (await perform(call)) ?? null });
  } catch (error) {
    say({ id, error: toPlainError(error) });
  }
});
