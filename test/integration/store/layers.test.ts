import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ByteString } from '../../../src/bytes/index.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { readFacts, saveFacts } from '../../../src/layer-facts/index.ts';
import type { LayerKey } from '../../../src/layer-formats/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { readCheckedRecord, writeCheckedRecord } from '../../../src/store/checked-record.ts';
import type { KnownLayer, Store } from '../../../src/store/index.ts';
import { statePath } from '../../../src/store/layout.ts';
import { stagedFactsPath } from '../../../src/store/record-file.ts';
import { layerRecordSchema } from '../../../src/store/schema.ts';
import type { Staging, StoreOptions } from '../../../src/store/types.ts';
import type { LayerFacts } from '../../../src/unpack/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import {
  DIFF_ID,
  FACTS,
  inlineRunner,
  layerKey,
  openTestStore,
  type StoreOperation,
} from '../../support/stores/store-fixtures.ts';

const KEY = layerKey();

let scratch: Scratch;
let store: Store;
let checkpoints: string[];
let operations: StoreOperation['kind'][];
let refuse: (operation: StoreOperation) => void;

beforeEach(async () => {
  scratch = new Scratch('layers');
  checkpoints = [];
  operations = [];
  refuse = () => undefined;
  store = await open();
});

afterEach(async () => {
  await store.close();
  scratch[Symbol.dispose]();
});

function open(change: Partial<StoreOptions> = {}): Promise<Store> {
  return openTestStore(scratch.path, {
    checkpoint: (name) => checkpoints.push(name),
    runOperation: inlineRunner((operation) => {
      operations.push(operation.kind);
      refuse(operation);
    }),
    ...change,
  });
}

const names = (...parts: string[]) => readdirSync(scratch.join(...parts));

async function stageHello(from = store): Promise<Staging> {
  const staging = await from.stageLayer(KEY, DIFF_ID);
  writeFileSync(`${staging.directory}/hello`, 'hello');
  return staging;
}

/** What a worker keeps of a layer with this file. */
const PATH_FACTS: LayerFacts = {
  entries: 1,
  contentBytes: 5,
  implied: [{ path: 'd' as ByteString, cut: false }],
  traversed: [],
  unresolvedLinks: [],
  marked: [],
  dropped: {},
};

async function publishFacts(facts: LayerFacts, key = KEY, into = store): Promise<KnownLayer> {
  const staging = await into.stageLayer(key, DIFF_ID);
  try {
    return await staging.publish(saveFacts(staging.factsPath, facts, DEFAULT_LIMITS));
  } finally {
    await staging.discard();
  }
}

function make(from = store): Promise<KnownLayer> {
  return from.withLayer(KEY, async () => (await stageHello(from)).publish(FACTS));
}

describe('publishing a layer', () => {
  it('stages in a directory that is empty, private and new', async () => {
    const staging = await store.stageLayer(KEY, DIFF_ID);
    expect(staging.directory).toMatch(new RegExp(`^${scratch.join('data/staging')}/${process.pid}-[0-9]+-[0-9]+$`));
    expect(readdirSync(staging.directory)).toEqual([]);
    expect(lstatSync(staging.directory).mode & 0o7777).toBe(0o700);
    await staging.discard();
  });

  it('moves the very tree under its key, with its record, and leaves nothing else', async () => {
    let inode = 0;
    const known = await store.withLayer(KEY, async () => {
      const staging = await stageHello();
      inode = lstatSync(staging.directory).ino;
      utimesSync(staging.directory, 1, 1);
      return staging.publish(FACTS);
    });
    const path = scratch.join('data/layers', KEY);
    const diskBytes = 512 * (lstatSync(path).blocks + lstatSync(`${path}/hello`).blocks);
    expect(known).toEqual({
      kind: 'published',
      layer: { path, record: { key: KEY, diffId: DIFF_ID, state: 'published', facts: FACTS, diskBytes } },
    });
    expect(lstatSync(path)).toMatchObject({ ino: inode, mtimeMs: 1_000 });
    expect(readFileSync(`${path}/hello`, 'utf8')).toBe('hello');
    expect([names('data/staging'), names('data/trash'), names('state/lock')]).toEqual([[], [], ['store']]);
  });

  it('is not seen before the end of publish', async () => {
    const before = await store.withLayer(KEY, async () => {
      const staging = await stageHello();
      expect(await store.findLayer(KEY)).toBeUndefined();
      return staging.publish(FACTS);
    });
    expect(await store.findLayer(KEY)).toEqual(before);
  });

  it('writes the record before the rename, and names the moments', async () => {
    checkpoints.length = 0;
    refuse = ({ kind }) => {
      if (kind === 'publishLayer') expect(names('state/layers')).toEqual([`${KEY}.json`]);
    };
    await make();
    expect(checkpoints).toEqual(['staging-made', 'record-written', 'published']);
  });

  it('asks the backing once for the layers that are wanted in one tick', async () => {
    await make();
    operations.length = 0;
    const found = await Promise.all([store.findLayer(KEY), store.findLayer(layerKey('0b')), store.findLayer(KEY)]);
    expect(found.map((each) => each?.kind)).toEqual(['published', undefined, 'published']);
    expect(operations).toEqual(['presentLayers']);
  });

  it('publishes once: the second pull stages nothing', async () => {
    await make();
    operations.length = 0;
    await make();
    expect(operations).toEqual(['presentLayers']);
  });

  it('keeps names of bytes in its facts as they are, in a file that only workers read', async () => {
    const path = '\u00ff\u0000\u0080/\n\u00e9' as ByteString;
    const facts = { ...PATH_FACTS, implied: [{ path, cut: true }], dropped: { 'overlay-xattr': 2 } };
    const known = await store.withLayer(KEY, () => publishFacts(facts));
    expect(await store.findLayer(KEY)).toEqual(known);
    const { layer } = known as Extract<KnownLayer, { kind: 'published' }>;
    expect(layer.record.facts).toMatchObject({ dropped: facts.dropped, isPlain: false });
    expect(JSON.stringify(layer.record)).not.toContain('\u00e9');
    expect(readFacts(layer.paths)).toEqual({ implied: facts.implied, traversed: [], marked: [] });
    expect(names('state/layers')).toEqual([`${KEY}.json`]);
  });

  it.each([1, 1_000, 20_000])('finds %i path facts as they were written, or not at all', async (count) => {
    const implied = Array.from({ length: count }, (_, at) => ({ path: `d/${at}` as ByteString, cut: at % 2 === 0 }));
    const known = await store.withLayer(KEY, () => publishFacts({ ...PATH_FACTS, implied }));
    const { layer } = known as Extract<KnownLayer, { kind: 'published' }>;
    expect(await store.findLayer(KEY)).toEqual(known);
    expect(readFacts(layer.paths).implied).toEqual(implied);
    const path = statePath.layer(scratch.join('state'), KEY);
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const found = await store.findLayer(KEY);
    if (found !== undefined) await expectFailure('STORE_RECORD_CORRUPT', () => readFacts(layer.paths));
    writeFileSync(path, bytes.subarray(1));
    expect(await store.findLayer(KEY)).toBeUndefined();
  });

  it('leaves no facts of a staging that is discarded, or whose owner was killed', async () => {
    const staging = await stageHello();
    saveFacts(staging.factsPath, PATH_FACTS, DEFAULT_LIMITS);
    await staging.discard();
    expect(readdirSync(scratch.join('state/layers'))).toEqual([]);
    const facts = stagedFactsPath(scratch.join('state/layers'), '1-1-1');
    saveFacts(facts, PATH_FACTS, DEFAULT_LIMITS);
    const alive = await stageHello();
    saveFacts(alive.factsPath, PATH_FACTS, DEFAULT_LIMITS);
    await (await open()).close();
    expect([existsSync(facts), existsSync(alive.factsPath)]).toEqual([false, true]);
    await alive.discard();
  });

  it('refuses facts that do not fit beside those of other layers, whose images have to go first', async () => {
    const implied = Array.from({ length: 100 }, (_, at) => ({ path: `directory/${at}` as ByteString, cut: false }));
    const small = await open({ limits: { ...DEFAULT_LIMITS, maxStoreFactsBytes: 3_000 } });
    const publish = (key: LayerKey) => small.withLayer(key, () => publishFacts({ ...PATH_FACTS, implied }, key, small));
    await publish(KEY);
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => publish(layerKey('0b')));
    expect(error.context).toMatchObject({ limit: 'maxStoreFactsBytes', expected: 3_000 });
    expect([names('data/layers'), names('data/staging'), names('state/layers')]).toEqual([[KEY], [], [`${KEY}.json`]]);
    await small.close();
  });

  it('syncs before it renames when the store outlives a crash', async () => {
    const durable = await open({ durable: true });
    const requests: StoreOperation[] = [];
    refuse = (operation) => requests.push(operation);
    await make(durable);
    expect(requests.find(({ kind }) => kind === 'publishLayer')).toMatchObject({ request: { durable: true } });
    expect(await durable.findLayer(KEY)).toBeDefined();
    await durable.close();
  });

  it('refuses without the lock of the key', async () => {
    const staging = await stageHello();
    await expectFailure('INTERNAL', () => staging.publish(FACTS));
    await staging.discard();
    expect(names('data/layers')).toEqual([]);
  });

  it('refuses a second time', async () => {
    await store.withLayer(KEY, async () => {
      const staging = await stageHello();
      const known = await staging.publish(FACTS);
      await expectFailure('INTERNAL', () => staging.publish(FACTS));
      return known;
    });
  });

  it('refuses a record that is too large to hold in memory', async () => {
    const dropped = { ['x'.repeat(70 * 1024 * 1024)]: 1 };
    const publish = async () => {
      const staging = await stageHello();
      try {
        return await staging.publish({ ...FACTS, dropped });
      } finally {
        await staging.discard();
      }
    };
    await expectFailure('LAYER_LIMIT_EXCEEDED', () => store.withLayer(KEY, publish));
    expect([names('data/layers'), names('state/layers'), names('data/staging')]).toEqual([[], [], []]);
  });
});

describe('a layer that another process has put there', () => {
  const theirs = () => mkdirSync(scratch.join('data/layers', KEY, 'theirs'), { recursive: true });

  it('is used, and our own goes to the trash, when it came in between', async () => {
    refuse = ({ kind }) => {
      if (kind === 'publishLayer') theirs();
    };
    expect(await make()).toMatchObject({ kind: 'published' });
    expect(names('data/layers', KEY)).toEqual(['theirs']);
    await store.close();
    expect([names('data/staging'), names('data/trash')]).toEqual([[], []]);
  });

  it('is thrown away when nobody has recorded it', async () => {
    theirs();
    await make();
    expect(names('data/layers', KEY)).toEqual(['hello']);
  });

  it('is not replaced when it is empty', async () => {
    refuse = ({ kind }) => {
      if (kind === 'publishLayer') mkdirSync(scratch.join('data/layers', KEY));
    };
    await make();
    expect(names('data/layers', KEY)).toEqual([]);
  });
});

describe('discarding a layer', () => {
  it('leaves nothing, and may be said twice', async () => {
    const staging = await stageHello();
    await staging.discard();
    await staging.discard();
    await store.close();
    expect([names('data/staging'), names('data/trash'), names('state/lock')]).toEqual([[], [], ['store']]);
  });

  it('does nothing after publishing', async () => {
    await store.withLayer(KEY, async () => {
      const staging = await stageHello();
      const known = await staging.publish(FACTS);
      await staging.discard();
      return known;
    });
    expect(names('data/layers', KEY)).toEqual(['hello']);
  });
});

describe('a failing disk', () => {
  const ioError = () => new SealiftError('STORE_IO_FAILED', 'publishLayer: expected success, got EIO');

  it('leaves neither record nor layer nor lock when the rename fails', async () => {
    refuse = ({ kind }) => {
      if (kind === 'publishLayer') throw ioError();
    };
    const attempt = store.withLayer(KEY, async () => {
      const staging = await stageHello();
      return staging.publish(FACTS).finally(() => staging.discard());
    });
    await expectFailure('STORE_IO_FAILED', () => attempt);
    await store.close();
    expect([names('state/layers'), names('data/layers'), names('data/staging')]).toEqual([[], [], []]);
    expect(names('state/lock')).toEqual(['store']);
  });

  it('keeps no staging lock when the directory cannot be made', async () => {
    refuse = ({ kind }) => {
      if (kind === 'makeStaging') throw ioError();
    };
    await expectFailure('STORE_IO_FAILED', () => store.stageLayer(KEY, DIFF_ID));
    expect(names('state/lock')).toEqual(['store']);
  });

  it('leaves what cannot be thrown away now to the next start', async () => {
    const staging = await stageHello();
    refuse = ({ kind }) => {
      if (kind === 'moveToTrash') throw ioError();
    };
    await expectFailure('STORE_IO_FAILED', () => staging.discard());
    refuse = () => undefined;
    const next = await open();
    expect(names('data/staging')).toEqual([]);
    await next.close();
  });
});

describe('findLayer', () => {
  const record = () => scratch.join('state/layers', `${KEY}.json`);

  it.each<[string, () => void]>([
    ['its layer is gone', () => rmSync(scratch.join('data/layers', KEY), { recursive: true })],
    [
      'its layer is a file',
      () => {
        rmSync(scratch.join('data/layers', KEY), { recursive: true });
        writeFileSync(scratch.join('data/layers', KEY), '');
      },
    ],
    ['its record is gone', () => rmSync(record())],
    ['its record is torn', () => writeFileSync(record(), readFileSync(record()).subarray(0, 40))],
    ['its record is empty', () => writeFileSync(record(), '')],
    [
      'its record lacks facts',
      () => writeFileSync(record(), JSON.stringify({ key: KEY, diffId: DIFF_ID, state: 'published' })),
    ],
    [
      'its record is that of another layer',
      () => {
        writeFileSync(record(), readFileSync(record(), 'utf8').replace(KEY, layerKey('0b')));
      },
    ],
    [
      'its record is a directory',
      () => {
        rmSync(record());
        mkdirSync(record());
      },
    ],
  ])('counts a layer as absent when %s, and the next pull makes it again', async (_, damage) => {
    await make();
    expect(await store.findLayer(KEY)).toBeDefined();
    damage();
    expect(await store.findLayer(KEY)).toBeUndefined();
    await make();
    expect(names('data/layers', KEY)).toEqual(['hello']);
    expect(await store.findLayer(KEY)).toBeDefined();
  });
});

describe('a record of an earlier version', () => {
  it('has lists where there is a summary now, so its layer is fetched again', async () => {
    await make();
    const path = statePath.layer(scratch.join('state'), KEY);
    const record = readCheckedRecord(path, layerRecordSchema);
    writeCheckedRecord(path, { ...record, facts: FACTS });
    expect(await store.findLayer(KEY)).toBeDefined();
    writeCheckedRecord(path, { ...record, facts: PATH_FACTS });
    expect(await store.findLayer(KEY)).toBeUndefined();
  });
});

describe('a layer that needs its chain', () => {
  const facts = { ...FACTS, unresolvedLink: { path: 'a' as ByteString, target: 'b' as ByteString } };
  const remember = () => Promise.resolve(store.rememberNeedsChain(KEY, DIFF_ID, facts));

  it('is remembered, so that it is fetched once', async () => {
    const known = await store.withLayer(KEY, remember);
    expect(known).toEqual({
      kind: 'needs-chain',
      record: { key: KEY, diffId: DIFF_ID, state: 'needs-chain', facts, diskBytes: 0 },
    });
    const again = await store.withLayer(KEY, () => Promise.reject(new Error('must not be made')));
    expect(again).toEqual(known);
  });

  it('is remembered by the next start too', async () => {
    await store.withLayer(KEY, remember);
    await store.close();
    store = await open();
    expect(await store.findLayer(KEY)).toMatchObject({ kind: 'needs-chain' });
    expect(existsSync(scratch.join('data/layers', KEY))).toBe(false);
  });

  it('is not remembered without the lock of the key', async () => {
    await expectFailure('INTERNAL', remember);
    expect(await store.findLayer(KEY)).toBeUndefined();
  });
});
