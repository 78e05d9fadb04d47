import { describe, expect, it } from 'vitest';
import { Slots } from '../../../src/slots/slots.ts';

const NEVER = new AbortController().signal;

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('Slots', () => {
  it('lets so many in, and the others in the order in which they came', async () => {
    const slots = new Slots(2);
    const order: string[] = [];
    const enter = async (name: string) => {
      const release = await slots.take(NEVER);
      order.push(name);
      return release;
    };
    const entering = ['a', 'b', 'c', 'd'].map(enter);
    await settle();
    expect(order).toEqual(['a', 'b']);
    const releaseB = await entering[1];
    releaseB?.();
    releaseB?.();
    await settle();
    expect(order).toEqual(['a', 'b', 'c']);
  });

  it('gives a slot that is free again to the first in the queue, not to a later request', async () => {
    const slots = new Slots(1);
    const release = await slots.take(NEVER);
    const order: string[] = [];
    void slots.take(NEVER).then(() => order.push('waited'));
    release();
    void slots.take(NEVER).then(() => order.push('came'));
    await settle();
    expect(order).toEqual(['waited']);
  });

  it('lets a waiter go when it is cancelled, and serves the one behind', async () => {
    const slots = new Slots(1);
    const release = await slots.take(NEVER);
    const abort = new AbortController();
    const cancelled = slots.take(abort.signal);
    const next = slots.take(NEVER);
    abort.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    release();
    expect(await next).toBeTypeOf('function');
  });

  it('takes nothing for a signal that was aborted before', async () => {
    const slots = new Slots(1);
    await expect(slots.take(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect(await slots.take(NEVER)).toBeTypeOf('function');
  });
});
