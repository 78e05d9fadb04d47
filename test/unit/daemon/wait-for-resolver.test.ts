import { describe, expect, it } from 'vitest';
import { createResolverGate, hasHost, hasNameserver } from '../../../src/daemon/wait-for-resolver.ts';

const NAME = 'registry.example';

/** A resolv.conf that becomes another one with each read; time passes only in sleep. */
function world(texts: readonly (string | undefined)[], { timeoutMs = 10_000, hosts = '127.0.0.1 localhost' } = {}) {
  const seen = { reads: 0, timeouts: [] as number[], sleptMs: 0 };
  const gate = createResolverGate(timeoutMs, {
    readText: (path) => (path === '/etc/hosts' ? hosts : texts[Math.min(seen.reads++, texts.length - 1)]),
    sleep: async (ms) => {
      seen.sleptMs += ms;
    },
    nowMs: () => seen.sleptMs,
    onTimeout: (waitedMs) => seen.timeouts.push(waitedMs),
  });
  return { gate, seen };
}

describe('createResolverGate', () => {
  it('waits until there is a nameserver, and never looks again', async () => {
    const { gate, seen } = world([undefined, '', '# nameserver 10.0.0.1\n', 'search x\nnameserver 10.0.0.10\n', '']);
    await gate(NAME);
    expect(seen).toEqual({ reads: 4, timeouts: [], sleptMs: 300 });
    await gate(NAME);
    expect(seen.reads).toBe(4);
  });

  it('gives up after its time, says so, and never waits again', async () => {
    const { gate, seen } = world([''], { timeoutMs: 1_000 });
    await gate(NAME);
    expect(seen).toMatchObject({ timeouts: [1_000], sleptMs: 1_000 });
    await gate(NAME);
    await gate('other.example');
    expect(seen).toMatchObject({ timeouts: [1_000], sleptMs: 1_000 });
  });

  it('gives the callers of one time their time together', async () => {
    const { gate, seen } = world([''], { timeoutMs: 1_000 });
    await Promise.all([gate(NAME), gate(NAME), gate('other.example')]);
    expect(seen.timeouts).toHaveLength(1);
    expect(seen.sleptMs).toBeLessThanOrEqual(1_200);
  });

  it('does not wait for a name of the hosts file', async () => {
    const { gate, seen } = world([''], { hosts: '10.0.0.5\tcache.internal Registry.example # pull cache\n' });
    await gate(NAME);
    expect(seen).toMatchObject({ timeouts: [], sleptMs: 0 });
  });

  it('stops waiting when the call is cancelled, and goes on waiting for the next one', async () => {
    const { gate, seen } = world(['', '', 'nameserver ::1']);
    await gate(NAME, AbortSignal.abort());
    expect(seen.sleptMs).toBe(0);
    await gate(NAME);
    expect(seen.sleptMs).toBe(100);
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

describe('hasHost', () => {
  it.each([
    ['10.0.0.1 registry.example', true],
    [' 10.0.0.1  other\tREGISTRY.example\n', true],
    ['# 10.0.0.1 registry.example', false],
    ['10.0.0.1 other # registry.example', false],
    ['registry.example', false],
    ['', false],
  ])('%j: %s', (text, expected) => {
    expect(hasHost(text, NAME)).toBe(expected);
  });
});
