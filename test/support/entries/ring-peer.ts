import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { Ring, RingAborted } from '../../../src/layer/ring.ts';

/** The far side of a ring, on a thread of its own: drains it, or fills it without end. */
parentPort?.on('message', ({ memory, role }: { memory: SharedArrayBuffer; role: 'drain' | 'fill' | 'fail' }) => {
  const ring = new Ring(memory);
  parentPort?.postMessage('started');
  try {
    if (role === 'fill') {
      const writer = ring.writer();
      for (;;) {
        writer.acquire();
        writer.publish(1);
      }
    }
    const hash = createHash('sha256');
    ring.drainTo({
      write: (chunk) => {
        if (role === 'fail') throw new Error('refused');
        hash.update(chunk);
      },
      end: () => parentPort?.postMessage(hash.digest('hex')),
    });
  } catch (error) {
    parentPort?.postMessage(error instanceof RingAborted ? error.reason : 'failed');
  }
});
