import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BundleLock, lockBundle } from '../../../src/bundle/index.ts';
import type { Clock } from '../../../src/platform/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;
let directory: string;
let nowMs: number;
let onSleep: () => void;

/** A clock that moves only while it is waited for. */
const clock: Clock = {
  nowMs: () => nowMs,
  sleep: async (ms) => {
    nowMs += ms;
    onSleep();
  },
};

function lock(signal?: AbortSignal): Promise<BundleLock | undefined> {
  return lockBundle(directory, { clock, timeoutMs: 1000, signal });
}

async function locked(): Promise<BundleLock> {
  const held = await lock();
  if (held === undefined) throw new Error('expected the lock');
  return held;
}

beforeEach(() => {
  scratch = new Scratch('lock-bundle');
  directory = scratch.join('app');
  mkdirSync(`${directory}/rootfs`, { recursive: true });
  nowMs = 0;
  onSleep = () => {};
});

afterEach(() => scratch[Symbol.dispose]());

describe('lockBundle', () => {
  it('refuses a bundle that another pull works on, at once', async () => {
    const first = await locked();
    await first.beginWork(`${directory}/rootfs`);
    const error = await expectFailure('BUNDLE_INVALID', () => lock());
    expect(error.message).toBe(`bundle ${directory}: expected no other pull to work on it, but one does`);
    expect(nowMs).toBe(0);
    first.release();
    (await locked()).release();
  });

  it('waits for a pull that only cleans up', async () => {
    const first = await locked();
    await first.beginWork(`${directory}/rootfs`);
    first.beginCleanUp();
    onSleep = () => {
      rmSync(`${directory}/rootfs`, { recursive: true });
      first.release();
      onSleep = () => {};
    };
    (await locked()).release();
    expect(nowMs).toBeGreaterThan(0);
  });

  it('waits for a pull that has not begun to work yet, and is refused then', async () => {
    const first = await locked();
    const working = Promise.withResolvers<number>();
    onSleep = () => void first.beginWork(`${directory}/rootfs`).then(working.resolve);
    await expectFailure('BUNDLE_INVALID', () => lock());
    expect(await working.promise).toBeGreaterThan(0);
    first.release();
  });

  it('gives up a clean-up that does not end', async () => {
    const first = await locked();
    const error = await expectFailure('BUNDLE_INVALID', () => lock());
    expect(error.message).toContain('within 1000 ms');
    first.release();
  });

  it('stops waiting when it is cancelled', async () => {
    const first = await locked();
    const abort = new AbortController();
    onSleep = () => abort.abort();
    await expectFailure('PULL_CANCELLED', () => lock(abort.signal));
    first.release();
  });

  it.each<[string, () => void]>([
    ['is missing', () => undefined],
    ['is a file', () => writeFileSync(directory, '')],
    ['is a link', () => symlinkSync('away', directory)],
  ])('locks nothing that %s', async (_, arrange) => {
    renameSync(directory, scratch.join('away'));
    arrange();
    expect(await lock()).toBeUndefined();
  });

  it('locks no directory that its last user removed meanwhile', async () => {
    const first = await locked();
    onSleep = () => {
      rmSync(directory, { recursive: true });
      first.release();
    };
    expect(await lock()).toBeUndefined();
    expect(existsSync(directory)).toBe(false);
  });
});
