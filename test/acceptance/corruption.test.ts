import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import type { BuiltImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { type Alteration, countFetches } from '../support/proxies/tamper-proxy.ts';
import { IS_SOAK } from '../support/soak.ts';
import { findRemains, listStore } from '../support/stores/store-files.ts';

const BLOBS = ['index', 'manifest', 'config', 'gzip layer', 'zstd layer', 'plain layer'] as const;

const ALTERATIONS: readonly (readonly [name: string, make: (size: number) => Alteration])[] = [
  ['first byte flipped', () => ({ kind: 'flip', at: 0 })],
  ['middle byte flipped', (size) => ({ kind: 'flip', at: Math.floor(size / 2) })],
  ['last byte flipped', (size) => ({ kind: 'flip', at: size - 1 })],
  ['last byte missing', () => ({ kind: 'truncate', bytes: 1, length: 'true' })],
  ['second half missing', (size) => ({ kind: 'truncate', bytes: Math.ceil(size / 2), length: 'true' })],
  ['one byte more', () => ({ kind: 'append', bytes: Buffer.from('\n') })],
  ['a block of zeros more', () => ({ kind: 'append', bytes: Buffer.alloc(512) })],
];

/** In the short run each blob is altered in two ways, and each way occurs. */
const isOnDiagonal = (blob: number, alteration: number): boolean =>
  [2 * blob, 2 * blob + 1].some((at) => at % ALTERATIONS.length === alteration);

const CASES = BLOBS.flatMap((blob, atBlob) =>
  ALTERATIONS.filter((_, at) => IS_SOAK || isOnDiagonal(atBlob, at)).map(([alteration, make]) => ({
    blob,
    alteration,
    make,
  })),
);

describeWith(['root', 'docker-registry'], 'a blob that is changed on the wire', () => {
  let bed: TestBed;
  let image: BuiltImage;

  beforeAll(async () => {
    bed = await TestBed.open();
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('small', 'latest', image);
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  function find(blob: (typeof BLOBS)[number]): { digest: string; size: number; diffId?: string } {
    if (blob === 'index') return { digest: image.top.digest, size: image.top.bytes.length };
    if (blob === 'manifest') return { digest: image.manifest.digest, size: image.manifest.bytes.length };
    if (blob === 'config') return { digest: image.config.digest, size: image.config.bytes.length };
    const layer = image.layers[BLOBS.indexOf(blob) - 3];
    if (layer === undefined) throw new Error(`no ${blob}`);
    return layer;
  }

  const pull = (store: string, bundle: string) =>
    bed.pull(`small@${image.top.digest}`, ['--store', store, '--bundle', bundle]);

  it('is not there: the same image passes through the same proxy', async () => {
    const [store, bundle] = [bed.newPath('store'), bed.newPath('bundle')];
    bed.proxy.setRules([]);
    expect((await pull(store, bundle)).error).toBeUndefined();
    expect(existsSync(`${bundle}/rootfs/etc/last-2`)).toBe(true);
    expect(findRemains(store).layers.length).toBeGreaterThanOrEqual(3);
  });

  it.each(CASES)('$blob, $alteration: corrupt, and nothing of it is left', async ({ blob, make }) => {
    const { digest, size, diffId } = find(blob);
    const [store, bundle] = [bed.newPath('store'), bed.newPath('bundle')];

    bed.proxy.setRules([{ path: digest, alteration: make(size) }]);
    const { error, code } = await pull(store, bundle);
    expect(bed.proxy.alteredCount, 'the altered bytes were delivered').toBeGreaterThan(0);
    expect(error?.kind, error?.message).toBe('corrupt');
    expect(code).toBe(4);
    expect(countFetches(bed.proxy, digest), 'the same source is not asked again').toBe(1);
    expectNothingLeft(store, bundle, diffId);

    bed.proxy.setRules([]);
    expect((await pull(store, bundle)).error, 'the store is as good as new').toBeUndefined();
    expect(countFetches(bed.proxy, digest), 'nothing of it was kept').toBe(1);
  });

  function expectNothingLeft(store: string, bundle: string, diffId: string | undefined): void {
    const { layers, unfinished } = findRemains(store);
    expect(unfinished).toEqual([]);
    expect(mountsBelow(bed.scratch.path).filter((each) => each.startsWith(bundle))).toEqual([]);
    expect(existsSync(`${bundle}/config.json`)).toBe(false);
    if (diffId === undefined) expect(layers).toEqual([]);
    else expect(listStore(store).filter((path) => path.includes(diffId.slice('sha256:'.length)))).toEqual([]);
  }
});
