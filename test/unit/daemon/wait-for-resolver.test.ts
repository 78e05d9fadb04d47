import { describe, expect, it } from 'vitest';
import { createResolverGate, hasNameserver } from '../../../src/daemon/wait-for-resolver.ts';

const NEVER = new AbortController().signal;
const NAMED = 'registry.example/app:1';

/** A resolv.conf that becomes another one with time; time passes only in sleep. */
function world(texts: readonly (string | undefined)[], timeoutMs = 10_000) {
  const seen = { reads: 0, timeouts: [] as number[] };
  let nowMs = 0;
  const gate = createResolverGate(timeoutMs, {
    readResolvConf: () => texts[Math.min(seen.reads++, texts.length - 1)],
    sleep: async (ms) => {
      nowMs += ms;
    },
    nowMs: () => nowMs,
    onTimeout: (waitedMs) => seen.timeouts.push(waitedMs),
  });
  return { gate, seen };
}

describe('createResolverGate', () => {
  it('waits until there is a nameserver, and never looks again', async () => {
    const { gate, seen } = world([undefined, '', '# nameserver 10.0.0.1\n', 'search x\nnameserver 10.0.0.10\n', '']);
    await gate(NAMED, NEVER);
    expect(seen).toEqual({ reads: 4, timeouts: [] });
    await gate(NAMED, NEVER);
    expect(seen.reads).toBe(4);
  });

  it('gives up after its time, says so, and waits again for the next one', async () => {
    const { gate, seen } = world([''], 1_000);
    await gate(NAMED, NEVER);
    expect(seen.timeouts).toEqual([1_000]);
    await gate(NAMED, NEVER);
    expect(seen.timeouts).toEqual([1_000, 1_000]);
  });

  it.each(['10.0.2.2:5000/app:1', '[fd00::1]:5000/app:1', 'localhost:5000/app:1', 'http://no-reference'])(
    'does not wait for %s',
    async (imageUrl) => {
      const { gate, seen } = world(['']);
      await gate(imageUrl, NEVER);
      expect(seen).toEqual({ reads: 0, timeouts: [] });
    },
  );

  it('stops waiting when the call is cancelled', async () => {
    const { gate } = world(['']);
    await expect(gate(NAMED, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});

describe('hasNameserver', () => {
  it.each([
    ['nameserver 10.0.0.1', true],
    ['options ndots:5\nnameserver\t::1\n', true],
    [' nameserver 10.0.0.1', false],
    ['#nameserver 10.0.0.1', false],
    ['nameserver ', false],
    ['', false],
  ])('%j: %s', (text, expected) => {
    expect(hasNameserver(text)).toBe(expected);
  });
});
