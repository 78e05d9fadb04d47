/**
 * A process that pulls one layer into a store, to be started by {@link startStorePeer}. It says on standard output what
 * it does, one line each, and stands still for ever at the checkpoint named in its parameters.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { openStore } from '../../src/store/index.ts';
import { DIFF_ID, FACTS, layerKey, realClock, storeOptions } from './store-fixtures.ts';

const [directory = '', name = '', stopAt = ''] = process.argv.slice(2);

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function standStill(): never {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function checkpoint(moment: string): void {
  say(`at ${moment}`);
  if (moment === stopAt) standStill();
}

const options = storeOptions(directory, { clock: realClock, checkpoint, lockTimeoutMs: 30_000 });
const store = await openStore(options);
const key = layerKey();
const known = await store.withLayer(key, async () => {
  checkpoint('making');
  const staging = await store.stageLayer(key, DIFF_ID);
  writeFileSync(`${staging.directory}/${name}`, name);
  checkpoint('content-written');
  return staging.publish(FACTS);
});
say(`has ${known.kind}`);
await store.close();
