import { setTimeout as delay } from 'node:timers/promises';
import type { LayerSummary } from '../../../src/layer-facts/index.ts';
import { formatLayerKey, isLayerKey, type LayerFormatName, type LayerKey } from '../../../src/layer-formats/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Digest, digestHex, hashBytes, parseDigest } from '../../../src/oci/index.ts';
import type { RequestsOf, Run } from '../../../src/operations/index.ts';
import type { Operation } from '../../../src/operations/types.ts';
import type { Clock } from '../../../src/platform/index.ts';
import { readCheckedRecord } from '../../../src/store/checked-record.ts';
import { openStore, STORE_OPERATIONS, type Store, type StoreOperations } from '../../../src/store/index.ts';
import { statePath } from '../../../src/store/layout.ts';
import { nameRecordSchema } from '../../../src/store/schema.ts';
import type { StoreOptions } from '../../../src/store/types.ts';
import { runInline } from './run-inline.ts';

export const BOOT = '11111111-2222-3333-4444-555555555555';

export const DIFF_ID = parseDigest(`sha256:${'0a'.repeat(32)}`);

/** The digest of some text, for things whose content does not matter. */
export function digestOf(text: string): Digest {
  return hashBytes(text);
}

export const FACTS: LayerSummary = { entries: 1, contentBytes: 5, dropped: {}, isPlain: true };

function keyOf(format: LayerFormatName, hex: string): LayerKey {
  return formatLayerKey({ format, writerVersion: 1, kind: 'diffid', hex, domain: undefined });
}

/** Reads the digest that a name leads to. Throws `STORE_RECORD_CORRUPT`. */
export function readName(stateDir: string, reference: string): Digest | undefined {
  return readCheckedRecord(statePath.name(stateDir, reference), nameRecordSchema)?.digest;
}

/** A key made of one repeated byte, for a layer that is a directory. */
export function layerKey(byte = '0a'): LayerKey {
  return keyOf('directory', byte.repeat(32));
}

/** The same for a layer that is an image. */
export function imageKey(byte = '0a'): LayerKey {
  return keyOf('erofs', byte.repeat(32));
}

/** Returns the name itself when it is a key, and otherwise a key made from it. */
export function keyOfName(format: LayerFormatName, name: string): LayerKey {
  return isLayerKey(name) ? name : keyOf(format, digestHex(digestOf(name)));
}

export const realClock: Clock = {
  nowMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await Promise.allSettled([delay(ms, undefined, signal === undefined ? {} : { signal })]);
  },
};

/** A clock whose time passes only by sleeping. */
export function jumpingClock(): Clock {
  let now = 0;
  return {
    nowMs: () => now,
    sleep: async (ms) => {
      now += ms;
      await new Promise(setImmediate);
    },
  };
}

export type StoreOperation = Operation<RequestsOf<StoreOperations>>;

/** Runs every operation at once in this thread; `before` sees it first, and may refuse it. */
export function inlineRunner(before?: (operation: StoreOperation) => void): Run<StoreOperations> {
  return runInline<StoreOperations>(STORE_OPERATIONS, before);
}

export function storeOptions(directory: string, change: Partial<StoreOptions> = {}): StoreOptions {
  return {
    stateDir: `${directory}/state`,
    backings: [{ dir: `${directory}/data`, writable: true }],
    bootId: BOOT,
    durable: false,
    lockTimeoutMs: 300_000,
    limits: DEFAULT_LIMITS,
    clock: jumpingClock(),
    epochMs: () => 0,
    minFreeBytes: 0,
    checkpoint: () => undefined,
    runOperation: inlineRunner(),
    findMountedUppers: () => new Set(),
    sweepLayerMounts: async () => undefined,
    ...change,
  };
}

export function openTestStore(directory: string, change: Partial<StoreOptions> = {}): Promise<Store> {
  return openStore(storeOptions(directory, change));
}
