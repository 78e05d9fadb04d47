import { describe, expect, it } from 'vitest';
import { createWindowGate, createWindowTokenMemory, freeWindowToken } from '../../../src/layer/window-token.ts';
import { expectFailure } from '../../support/matchers.ts';

const LARGE = 2 ** 24;

/** A gate whose waiting ends at once, with an error. */
function gate(memory: SharedArrayBuffer, workerId: number) {
  const throwIfCancelled = () => {
    throw new Error('has to wait');
  };
  return createWindowGate({ memory, workerId, maxWindowLog: 27, throwIfCancelled });
}

describe('createWindowGate', () => {
  it('lets small windows through whichever worker has the token', () => {
    const memory = createWindowTokenMemory();
    gate(memory, 1).admit(LARGE);
    expect(() => gate(memory, 2).admit(2 ** 23)).not.toThrow();
  });

  it('lets one line of the process have a large window at a time, for all of its frames', () => {
    const memory = createWindowTokenMemory();
    const [first, second] = [gate(memory, 1), gate(memory, 2)];
    first.admit(LARGE);
    first.admit(LARGE);
    expect(() => second.admit(LARGE)).toThrow('has to wait');
    first.release();
    expect(() => second.admit(LARGE)).not.toThrow();
  });

  it('does not give back what another line has', () => {
    const memory = createWindowTokenMemory();
    gate(memory, 1).admit(LARGE);
    gate(memory, 2).release();
    expect(() => gate(memory, 2).admit(LARGE)).toThrow('has to wait');
  });

  it('does not give back what another line of the same worker has', () => {
    const memory = createWindowTokenMemory();
    const [decoding, ahead] = [gate(memory, 1), gate(memory, 1)];
    decoding.admit(LARGE);
    ahead.release();
    expect(() => gate(memory, 2).admit(LARGE)).toThrow('has to wait');
    decoding.release();
    expect(() => gate(memory, 2).admit(LARGE)).not.toThrow();
  });

  it('does not wait for a line of its own thread, which could never end meanwhile', async () => {
    const memory = createWindowTokenMemory();
    gate(memory, 1).admit(LARGE);
    await expectFailure('INTERNAL', () => gate(memory, 1).admit(LARGE));
  });

  it('gets the token back from a worker that has ended', () => {
    const memory = createWindowTokenMemory();
    gate(memory, 7).admit(LARGE);
    freeWindowToken(memory, 7);
    expect(() => gate(memory, 2).admit(LARGE)).not.toThrow();
  });

  it('refuses a window above the limit', async () => {
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => gate(createWindowTokenMemory(), 1).admit(2 ** 27 + 1));
  });
});
