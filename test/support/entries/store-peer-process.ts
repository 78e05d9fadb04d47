/**
 * A process that pulls an image of one layer into a store, or removes from one; {@link startStorePeer} starts it. It
 * reports what it does on standard output, one line each, and stops for ever at the checkpoint named in its parameters.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { SealiftError } from '../../../src/errors/index.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { DIFF_ID, digestOf, FACTS, layerKey, realClock, storeOptions } from '../stores/store-fixtures.ts';

const [directory = '', name = '', stopAt = '', task = 'pull'] = process.argv.slice(2);

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

async function pull(store: Store): Promise<void> {
  const key = layerKey();
  const lease = store.openLease();
  await lease.hold(digestOf(name));
  await lease.hold(key);
  checkpoint('held');
  const known = await store.withLayer(key, async () => {
    checkpoint('making');
    const staging = await store.stageLayer(key, DIFF_ID);
    writeFileSync(`${staging.directory}/${name}`, name);
    checkpoint('content-written');
    return staging.publish(FACTS);
  });
  checkpoint('layer-ready');
  store.putImage({ manifestDigest: digestOf(name), configDigest: DIFF_ID, layerKeys: [key], platform: 'linux/amd64' });
  store.putName(`example.org/${name}:1`, digestOf(name));
  say(`has ${known.kind}`);
  lease.release();
}

async function remove(store: Store): Promise<void> {
  try {
    const removal =
      task === 'rm'
        ? await store.removeImages([{ kind: 'image', digest: digestOf(name) }])
        : await store.prune({ all: task === 'prune-all' });
    say(`removed ${removal.layers.length} layers`);
  } catch (error) {
    say(error instanceof SealiftError ? `refused ${error.code}` : String(error));
  }
}

const options = storeOptions(directory, { clock: realClock, checkpoint });
const store = await openStore(options);
await (task === 'pull' ? pull(store) : remove(store));
await store.close();
