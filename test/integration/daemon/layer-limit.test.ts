import { afterEach, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';

const LAYERS = 6;
/** Slow enough that the test sees requests that are open at the same time. */
const SLOW = { kind: 'trickle', chunkBytes: 20, everyMs: 100 } as const;

describeWith(['root'], 'max_concurrent_layer_downloads_per_image', () => {
  let daemon: DaemonBed | undefined;

  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]();
    daemon = undefined;
  });

  /** Returns the most requests for layers that the registry had open at a time. */
  async function mostOpen(toml: string): Promise<number> {
    daemon = await DaemonBed.open({ toml: `[pull]\ntls_verify = false\n${toml}` });
    const { bed } = daemon;
    const { registry } = bed;
    const image = bed.serveImage(Array.from({ length: LAYERS }, (_, number) => [file(`layer-${number}`, `${number}`)]));
    registry.inject({ match: new RegExp(image.layers.join('|')), times: LAYERS, action: SLOW });
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, registry.requests.length - registry.finishedResponses);
    }, 2);
    try {
      expect(await daemon.pull(bed.reference(image.digest))).toBe(image.digest);
    } finally {
      clearInterval(watch);
    }
    expect(image.layers.map((digest) => bed.fetchesOf(digest))).toEqual(Array(LAYERS).fill(1));
    expect(daemon.daemon.counts.fetchedBytes).toBeGreaterThan(0);
    return most;
  }

  it('keeps the registry from seeing more than one request for a layer at a time', async () => {
    expect(await mostOpen('[image]\nmax_concurrent_layer_downloads_per_image = 1\n')).toBe(1);
  });

  it('is an upper bound only: the cores decide below it, and without it', async () => {
    const unlimited = await mostOpen('');
    // The next request goes out before the last byte of the one before has come.
    expect(unlimited).toBeGreaterThan(1);
    await daemon?.[Symbol.asyncDispose]();
    expect(await mostOpen('[image]\nmax_concurrent_layer_downloads_per_image = 100\n')).toBe(unlimited);
  });
});
