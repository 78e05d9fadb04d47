import { describe, expect, it } from 'vitest';
import type { HeldLock } from '../../../src/store/lock-file.ts';
import { createSingleFlight } from '../../../src/store/single-flight.ts';
import { expectFailure } from '../../support/matchers.ts';
import { jumpingClock } from '../../support/stores/store-fixtures.ts';

const LOCK_TIMEOUT_MS = 1_000;

/** Layers and locks that live in memory. */
function world() {
  const stored = new Map<string, string>();
  const locked = new Set<string>();
  const tries: string[] = [];
  const tryLock = (key: string): HeldLock | undefined => {
    tries.push(key);
    if (locked.has(key)) return undefined;
    locked.add(key);
    return { tryConvert: () => true, release: () => locked.delete(key) };
  };
  const flight = createSingleFlight<string, string>({
    find: async (key) => stored.get(key),
    findLocked: async (key) => stored.get(key),
    tryLock,
    clock: jumpingClock(),
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  });
  const publish = (key: string, value: string) => {
    stored.set(key, value);
    return value;
  };
  return { stored, locked, tries, flight, publish };
}

/** A `make` whose start and end the test controls. */
function gatedMake() {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  return {
    begun: begun.promise,
    finish: end.resolve,
    fail: end.reject,
    make: () => {
      begun.resolve();
      return end.promise;
    },
  };
}

const never = () => Promise.reject(new Error('must not be made'));

/** Lets every caller that can continue do so. */
async function settle(): Promise<void> {
  for (let tick = 0; tick < 5; tick += 1) await new Promise(setImmediate);
}

describe('single flight in one process', () => {
  it('takes what is there, without a lock', async () => {
    const { flight, publish, tries } = world();
    publish('a', 'there');
    expect(await flight.run('a', never)).toBe('there');
    expect(tries).toEqual([]);
  });

  it('makes what is not there, under its lock, and gives the lock up', async () => {
    const { flight, locked } = world();
    const value = await flight.run('a', async () => {
      expect(locked.has('a')).toBe(true);
      expect(flight.isMaking('a')).toBe(true);
      expect(flight.isMaking('b')).toBe(false);
      return 'made';
    });
    expect(value).toBe('made');
    expect(locked.size).toBe(0);
    expect(flight.isMaking('a')).toBe(false);
  });

  it('lets one make and gives its result to all who joined', async () => {
    const { flight } = world();
    const leader = gatedMake();
    const all = [flight.run('a', leader.make), flight.run('a', never), flight.run('a', never)];
    await leader.begun;
    leader.finish('made');
    expect(await Promise.all(all)).toEqual(['made', 'made', 'made']);
  });

  it('makes different keys at the same time', async () => {
    const { flight } = world();
    const [a, b] = [gatedMake(), gatedMake()];
    const both = [flight.run('a', a.make), flight.run('b', b.make)];
    await Promise.all([a.begun, b.begun]);
    b.finish('B');
    a.finish('A');
    expect(await Promise.all(both)).toEqual(['A', 'B']);
  });

  it('lets a follower of a failed leader go on with its own make', async () => {
    const { flight, locked } = world();
    const leader = gatedMake();
    const led = flight.run('a', leader.make);
    await leader.begun;
    const followed = flight.run('a', async () => 'own');
    leader.fail(new Error('registry gone'));
    await expect(led).rejects.toThrow('registry gone');
    expect(await followed).toBe('own');
    expect(locked.size).toBe(0);
  });

  it('lets the followers of a failed leader join the one of them that goes on', async () => {
    const { flight } = world();
    const leader = gatedMake();
    const led = flight.run('a', leader.make);
    await leader.begun;
    let made = 0;
    const make = async () => {
      made += 1;
      await settle();
      return 'own';
    };
    const followers = [flight.run('a', make), flight.run('a', make), flight.run('a', make)];
    await settle();
    leader.fail(new Error('gone'));
    await expect(led).rejects.toThrow('gone');
    expect(await Promise.all(followers)).toEqual(['own', 'own', 'own']);
    expect(made).toBe(1);
  });

  it('gives each follower the failure of its own make, never that of another', async () => {
    const { flight } = world();
    const leader = gatedMake();
    const led = flight.run('a', leader.make);
    await leader.begun;
    const followed = flight.run('a', () => Promise.reject(new Error('mine')));
    leader.fail(new Error('theirs'));
    await expect(led).rejects.toThrow('theirs');
    await expect(followed).rejects.toThrow('mine');
  });

  it('cancels one who waits and nobody else', async () => {
    const { flight } = world();
    const leader = gatedMake();
    const led = flight.run('a', leader.make);
    await leader.begun;
    const abort = new AbortController();
    const impatient = flight.run('a', never, abort.signal);
    const patient = flight.run('a', never);
    await settle();
    abort.abort();
    await expectFailure('PULL_CANCELLED', () => impatient);
    leader.finish('made');
    expect(await Promise.all([led, patient])).toEqual(['made', 'made']);
  });

  it('does not begin for a caller that is cancelled already', async () => {
    const { flight, tries } = world();
    await expectFailure('PULL_CANCELLED', () => flight.run('a', never, AbortSignal.abort()));
    expect(tries).toEqual([]);
  });

  it('refuses to wait for a layer while holding another', async () => {
    const { flight, locked } = world();
    await expectFailure('INTERNAL', () => flight.run('a', () => flight.run('b', async () => 'B')));
    expect(locked.size).toBe(0);
  });

  it('lets what a make left running take layers after its end', async () => {
    const { flight } = world();
    const gate = Promise.withResolvers<void>();
    let later: Promise<string> | undefined;
    await flight.run('a', async () => {
      later = gate.promise.then(() => flight.run('b', async () => 'B'));
      return 'A';
    });
    gate.resolve();
    expect(await later).toBe('B');
  });
});

describe('single flight among processes', () => {
  it('waits for the lock and takes what the other process has made meanwhile', async () => {
    const { flight, locked, stored } = world();
    locked.add('a');
    const waiting = flight.run('a', never);
    await settle();
    stored.set('a', 'theirs');
    locked.delete('a');
    expect(await waiting).toBe('theirs');
  });

  it('makes it itself when the other process gave up', async () => {
    const { flight, locked } = world();
    locked.add('a');
    const waiting = flight.run('a', async () => 'mine');
    await settle();
    locked.delete('a');
    expect(await waiting).toBe('mine');
  });

  it('gives up at the deadline', async () => {
    const { flight, locked } = world();
    locked.add('a');
    const error = await expectFailure('STORE_LOCK_TIMEOUT', () => flight.run('a', never));
    expect(error.context).toMatchObject({ limit: 'lockTimeoutMs', expected: LOCK_TIMEOUT_MS });
  });

  it('looks once more at the deadline', async () => {
    const locked = new Set(['a']);
    const clock = jumpingClock();
    const flight = createSingleFlight<string, string>({
      find: async () => (clock.nowMs() >= LOCK_TIMEOUT_MS ? 'published, its maker hangs' : undefined),
      findLocked: never,
      tryLock: (key) => (locked.has(key) ? undefined : { tryConvert: () => true, release: () => undefined }),
      clock,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    });
    expect(await flight.run('a', never)).toBe('published, its maker hangs');
  });

  it('stops waiting for the lock when it is cancelled, and leaves the key free for the next', async () => {
    const { flight, locked } = world();
    locked.add('a');
    const abort = new AbortController();
    const waiting = flight.run('a', never, abort.signal);
    await settle();
    abort.abort();
    await expectFailure('PULL_CANCELLED', () => waiting);
    locked.delete('a');
    expect(await flight.run('a', async () => 'next')).toBe('next');
  });
});
