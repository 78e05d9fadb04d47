import { readdirSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';

describeWith(['root'], 'worker_idle_ms (workerIdleMs)', () => {
  let daemon: DaemonBed | undefined;

  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]();
    daemon = undefined;
  });

  const threads = () => readdirSync('/proc/self/task').length;

  /** Returns the number of threads right after a pull. */
  async function threadsAfterPull(limits: string): Promise<number> {
    daemon = await DaemonBed.open({ toml: `[pull]\ntls_verify = false\n${limits}` });
    const image = daemon.bed.serveImage([[file('layer', limits)]]);
    expect(await daemon.pull(daemon.bed.reference(image.digest))).toBe(image.digest);
    return threads();
  }

  it('keeps the threads of a pull for the next one, and ends them when it is short', async () => {
    const kept = await threadsAfterPull('');
    await daemon?.[Symbol.asyncDispose]();
    await expect.poll(threads).toBeLessThan(kept);
    const without = threads();
    await threadsAfterPull('[pull.limits]\nworker_idle_ms = 1\n');
    await expect.poll(threads).toBeLessThanOrEqual(without);
  });
});
