import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { SharedCall } from '../../../src/registry/shared-call.ts';

function deferredWork() {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal) => {
    signals.push(signal);
    return promise;
  };
  return { work, resolve, reject, signals };
}

describe('SharedCall', () => {
  it('does the work once for all who wait', async () => {
    const { work, resolve, signals } = deferredWork();
    const shared = new SharedCall<number>();
    const both = Promise.all([shared.run(work, undefined), shared.run(work, undefined)]);
    resolve(7);
    expect(await both).toEqual([7, 7]);
    expect(signals).toHaveLength(1);
  });

  it('does it again afterwards, also after a failure', async () => {
    const shared = new SharedCall<number>();
    await expect(shared.run(() => Promise.reject(new SealiftError('INTERNAL', 'no')), undefined)).rejects.toThrow('no');
    expect(await shared.run(() => Promise.resolve(1), undefined)).toBe(1);
    expect(await shared.run(() => Promise.resolve(2), undefined)).toBe(2);
  });

  it('goes on for the others when one is cancelled, the first included', async () => {
    const { work, resolve, signals } = deferredWork();
    const shared = new SharedCall<number>();
    const controller = new AbortController();
    const first = shared.run(work, controller.signal);
    const second = shared.run(work, undefined);
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: 'PULL_CANCELLED' });
    expect(signals[0]?.aborted).toBe(false);
    resolve(7);
    expect(await second).toBe(7);
  });

  it('is cancelled when all are', async () => {
    const { work, signals } = deferredWork();
    const shared = new SharedCall<number>();
    const controller = new AbortController();
    const both = [shared.run(work, controller.signal), shared.run(work, controller.signal)];
    controller.abort();
    await Promise.allSettled(both);
    expect(signals[0]?.aborted).toBe(true);
  });
});
