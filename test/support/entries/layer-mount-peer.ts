import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LayerKey } from '../../../src/layer-formats/index.ts';
import { attachLoop, describeBackingFile } from '../../../src/platform/index.ts';
import { createLayerMounts } from '../../../src/snapshot/index.ts';
import { mountLayerImages } from '../../../src/snapshot/mount-layer-image.ts';
import { tryLockFile } from '../../../src/store/lock-file.ts';
import { inlineSnapshotRunner } from '../stores/snapshot-fixtures.ts';
import { imageKey } from '../stores/store-fixtures.ts';

/**
 * Another process that works with layer images, reports when it is done, and stays until its standard input ends.
 * `attach` attaches a loop device, `mount` mounts, `churn` leases, looks, releases and sweeps a hundred times. The
 * request is the parameter, as JSON.
 */
interface Wish {
  readonly act: 'attach' | 'mount' | 'churn';
  readonly image: string;
  readonly mountsDir: string;
  readonly keys: readonly LayerKey[];
}

const { act, image, mountsDir, keys }: Wish = JSON.parse(process.argv[2] ?? '');

function attach(): void {
  const fd = openSync(image, 'r');
  attachLoop(describeBackingFile(fd, image));
  closeSync(fd);
}

async function churn(): Promise<void> {
  mkdirSync(`${mountsDir}.lock`, { recursive: true });
  const mounts = createLayerMounts({
    runOperation: inlineSnapshotRunner(),
    store: { listMounts: () => [] },
    mountsDir,
    tryLock: (key, mode) => tryLockFile(`${mountsDir}.lock/${key}`, mode),
    clock: { nowMs: () => performance.now(), sleep: (ms) => sleep(ms) },
    lockTimeoutMs: 300_000,
    verity: 'unused',
  });
  for (let round = 0; round < 100; round += 1) {
    const key = keys[round % keys.length] ?? imageKey();
    const lease = mounts.lease();
    const [readable] = await lease.open([{ path: image, record: { key }, paths: undefined }]);
    await sleep(0);
    // Throws when the image is not mounted.
    statSync(`${readable?.directory}/who`);
    lease.release();
    await mounts.sweep();
  }
}

if (act === 'attach') attach();
else if (act === 'mount')
  mountLayerImages({ mountsDir, images: keys.map((key) => ({ image, imageBytes: undefined, tree: undefined, key })) });
else await churn();
process.stdout.write('done\n');
while (readSync(0, Buffer.alloc(1)) > 0);
