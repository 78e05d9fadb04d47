import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/index.ts';
import { tryLockFile } from '../../../src/store/lock-file.ts';
import type { StoreOptions } from '../../../src/store/types.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { BOOT, DIFF_ID, FACTS, layerKey, openTestStore, readName } from '../../support/stores/store-fixtures.ts';

const OTHER_BOOT = '99999999-2222-3333-4444-555555555555';
const KEY = layerKey();

let scratch: Scratch;
let opened: Store[];

beforeEach(() => {
  scratch = new Scratch('store');
  opened = [];
});

afterEach(async () => {
  for (const store of opened) await store.close();
  scratch[Symbol.dispose]();
});

async function open(change: Partial<StoreOptions> = {}): Promise<Store> {
  const store = await openTestStore(scratch.path, change);
  opened.push(store);
  return store;
}

async function publish(store: Store, key = KEY): Promise<string> {
  const known = await store.withLayer(key, async () => {
    const staging = await store.stageLayer(key, DIFF_ID);
    writeFileSync(`${staging.directory}/hello`, 'hello');
    return staging.publish(FACTS);
  });
  if (known.kind !== 'published') throw new Error('expected a published layer');
  return known.layer.path;
}

function modeOf(path: string): number {
  return statSync(scratch.join(path)).mode & 0o7777;
}

describe('openStore', () => {
  it('makes a layout that only its owner can enter', async () => {
    await open();
    expect(readdirSync(scratch.join('data')).sort()).toEqual(['layers', 'staging', 'trash', 'uppers']);
    expect(readdirSync(scratch.join('state')).sort()).toEqual(
      ['configs', 'images', 'layers', 'lock', 'manifests', 'mounts', 'names', 'signatures', 'store.json'].sort(),
    );
    for (const path of ['state', 'state/lock', 'state/manifests/sha256', 'data', 'data/layers', 'data/uppers']) {
      expect(modeOf(path), path).toBe(0o700);
    }
    expect(modeOf('state/store.json')).toBe(0o600);
    expect(JSON.parse(readFileSync(scratch.join('state/store.json'), 'utf8'))).toEqual({ format: 1, bootId: BOOT });
  });

  it('finds again what it kept', async () => {
    await publish(await open());
    const again = await open();
    expect(await again.findLayer(KEY)).toMatchObject({ kind: 'published', layer: { record: { facts: FACTS } } });
  });

  it('takes an empty directory that only its owner can write to, and closes it', async () => {
    mkdirSync(scratch.join('data'), { mode: 0o755 });
    mkdirSync(scratch.join('data/lost+found'));
    await open();
    expect(modeOf('data')).toBe(0o700);
  });

  it.each(['state', 'data'])('refuses a %s directory with foreign files and leaves them alone', async (part) => {
    mkdirSync(scratch.join(part), { mode: 0o700 });
    writeFileSync(scratch.join(part, 'letter.txt'), 'dear');
    const error = await expectFailure('STORE_INVALID', () => open());
    expect(error.message).toContain('letter.txt');
    expect(readdirSync(scratch.join(part))).toContain('letter.txt');
  });

  it.each(['state', 'data'])('refuses a %s directory that others can write to', async (part) => {
    mkdirSync(scratch.join(part));
    chmodSync(scratch.join(part), 0o770);
    const error = await expectFailure('STORE_INVALID', () => open());
    expect(error.context).toMatchObject({ expected: 'mode 0700', actual: 'mode 0770' });
  });

  it.each(['state', 'data'])('refuses a symlink in the place of the %s directory', async (part) => {
    mkdirSync(scratch.join('elsewhere'), { mode: 0o700 });
    symlinkSync(scratch.join('elsewhere'), scratch.join(part));
    await expectFailure('STORE_INVALID', () => open());
    expect(readdirSync(scratch.join('elsewhere'))).toEqual([]);
  });

  it.each([
    ['of another format', '{"format":2,"bootId":"x"}'],
    ['of another program', '{"version":"1.0"}'],
    ['that is torn', '{"format":'],
    ['that is empty', ''],
  ])('refuses a store.json %s', async (_, content) => {
    mkdirSync(scratch.join('state'), { mode: 0o700 });
    writeFileSync(scratch.join('state/store.json'), content);
    await expectFailure('STORE_INVALID', () => open());
    expect(readFileSync(scratch.join('state/store.json'), 'utf8')).toBe(content);
  });

  it('refuses data below a file', async () => {
    writeFileSync(scratch.join('file'), '');
    await expectFailure('STORE_INVALID', () =>
      open({ backings: [{ dir: scratch.join('file/data'), writable: true }] }),
    );
  });

  it('names the failing file system, also one in which nothing can be made', async () => {
    const error = await expectFailure('STORE_IO_FAILED', () => open({ stateDir: '/proc/sealift/state' }));
    expect(error.context).toMatchObject({ errno: 'ENOENT' });
  });
});

describe('a store of another boot', () => {
  it('loses its layers and its index', async () => {
    const before = await open();
    const path = await publish(before);
    before.putName('example.org/app:1', DIFF_ID);
    const { id } = await before.createUpper();
    await before.close();

    const after = await open({ bootId: OTHER_BOOT });
    expect(existsSync(path)).toBe(false);
    expect(await after.findLayer(KEY)).toBeUndefined();
    expect(readName(scratch.join('state'), 'example.org/app:1')).toBeUndefined();
    expect(existsSync(scratch.join('data/uppers', id))).toBe(false);
    await after.close();
    expect(readdirSync(scratch.join('data/trash'))).toEqual([]);
  });

  it('keeps its layers when it is durable, and forgets its mounts', async () => {
    const before = await open({ durable: true });
    const path = await publish(before);
    before.putName('example.org/app:1', DIFF_ID);
    const { id, upper } = await before.createUpper();
    before.putMount({ id, target: '/run/rootfs', layers: [KEY], upper, imageDigest: DIFF_ID });
    await before.close();

    const after = await open({ durable: true, bootId: OTHER_BOOT });
    expect((await after.findLayer(KEY))?.kind).toBe('published');
    expect(existsSync(path)).toBe(true);
    expect(readName(scratch.join('state'), 'example.org/app:1')).toBe(DIFF_ID);
    expect(after.listMounts()).toEqual([]);
    expect(existsSync(scratch.join('data/uppers', id))).toBe(false);
    await after.close();
    expect(JSON.parse(readFileSync(scratch.join('state/store.json'), 'utf8'))).toEqual({
      format: 1,
      bootId: OTHER_BOOT,
    });
  });

  it('is thrown away again when that was cut short', async () => {
    const before = await open();
    await publish(before);
    await before.close();
    writeFileSync(scratch.join('state/store.json'), '{"format":1,"bootId":""}');
    expect(await (await open()).findLayer(KEY)).toBeUndefined();
  });

  it('stays while a process uses it', async () => {
    const user = await open();
    await publish(user);
    await expectFailure('STORE_LOCK_TIMEOUT', () => open({ bootId: OTHER_BOOT, lockTimeoutMs: 500 }));
    expect(await user.findLayer(KEY)).toBeDefined();
  });
});

describe('the lock of the store', () => {
  it('is shared: two stores on one directory see the same layers', async () => {
    const [one, two] = [await open(), await open()];
    const path = await publish(one);
    expect(await two.findLayer(KEY)).toMatchObject({ layer: { path } });
  });

  it('keeps others out while one has it for itself, until the deadline', async () => {
    await (await open()).close();
    const exclusive = tryLockFile(scratch.join('state/lock/store'), 'exclusive');
    await expectFailure('STORE_LOCK_TIMEOUT', () => open({ lockTimeoutMs: 500 }));
    exclusive?.release();
    await open();
  });

  it('is given up by close', async () => {
    await (await open()).close();
    const exclusive = tryLockFile(scratch.join('state/lock/store'), 'exclusive');
    expect(exclusive).toBeDefined();
    exclusive?.release();
  });

  it('is given up when opening fails', async () => {
    const runOperation = () => Promise.reject(new Error('worker gone'));
    await expect(open({ runOperation })).rejects.toThrow('worker gone');
    await open();
  });
});

describe('recovery at open', () => {
  it('removes a layer without a record and a record without a layer', async () => {
    const before = await open();
    await publish(before);
    await publish(before, layerKey('0b'));
    await before.close();
    mkdirSync(scratch.join('data/layers', layerKey('0c')));
    rmSync(scratch.join('data/layers', KEY), { recursive: true });

    const after = await open();
    expect(readdirSync(scratch.join('data/layers'))).toEqual([layerKey('0b')]);
    expect(readdirSync(scratch.join('state/layers'))).toEqual([`${layerKey('0b')}.json`]);
    expect(await after.findLayer(layerKey('0b'))).toBeDefined();
  });

  it('removes dead staging, uppers without a mount, half-written records and what is not ours among layers', async () => {
    await (await open()).close();
    for (const path of ['staging/1-2-3', 'staging/odd', 'layers/odd', `uppers/${'ab'.repeat(16)}`, 'trash/old']) {
      mkdirSync(scratch.join('data', path));
    }
    for (const path of ['.beside-1', 'layers/.beside-2', 'lock/staging-1-2-3']) {
      writeFileSync(scratch.join('state', path), '');
    }
    await (await open()).close();
    for (const area of ['staging', 'layers', 'uppers', 'trash']) {
      expect(readdirSync(scratch.join('data', area)), area).toEqual([]);
    }
    expect(readdirSync(scratch.join('state')).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(readdirSync(scratch.join('state/layers'))).toEqual([]);
    expect(readdirSync(scratch.join('state/lock'))).toEqual(['store']);
  });

  it('keeps the upper of a mount that is remembered', async () => {
    const before = await open();
    const { id, upper } = await before.createUpper();
    before.putMount({ id, target: '/bundle/rootfs', layers: [KEY], upper, imageDigest: DIFF_ID });
    await before.close();
    const after = await open();
    expect(readdirSync(scratch.join('data/uppers'))).toEqual([id]);
    expect(after.listMounts()).toHaveLength(1);
  });

  it('beside a living neighbour, touches only what it can lock', async () => {
    const neighbour = await open();
    const theirs = await neighbour.stageLayer(KEY, DIFF_ID);
    const { id } = await neighbour.createUpper();
    mkdirSync(scratch.join('data/staging/1-2-3'));
    mkdirSync(scratch.join('data/layers', layerKey('0c')));

    await open();
    expect(readdirSync(scratch.join('data/staging'))).toEqual([theirs.directory.split('/').at(-1)]);
    expect(readdirSync(scratch.join('data/layers'))).toEqual([]);
    expect(readdirSync(scratch.join('data/uppers'))).toEqual([id]);
    await theirs.discard();
  });

  it('leaves the halves of a layer that is being published alone', async () => {
    const neighbour = await open();
    let beside: Store | undefined;
    const publisher = await open();
    await publisher.withLayer(KEY, async () => {
      const staging = await publisher.stageLayer(KEY, DIFF_ID);
      writeFileSync(scratch.join('state/layers', `${KEY}.json`), '{"half":"written by the owner of the lock"}');
      beside = await open();
      expect(existsSync(scratch.join('state/layers', `${KEY}.json`))).toBe(true);
      return staging.publish(FACTS);
    });
    expect(await beside?.findLayer(KEY)).toBeDefined();
    expect(await neighbour.findLayer(KEY)).toBeDefined();
  });
});
