import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Digest } from '../../../src/oci/index.ts';
import type { Store } from '../../../src/store/index.ts';
import type { StoreOptions } from '../../../src/store/types.ts';
import { alterFile, FILE_ALTERATIONS, flipBit } from '../../support/machine/alter-file.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { IS_SOAK } from '../../support/soak.ts';
import { BOOT, DIFF_ID, digestOf, FACTS, layerKey, openTestStore } from '../../support/stores/store-fixtures.ts';

/** Permissions do not keep out a process that may read everything. */
const ALTERATIONS = FILE_ALTERATIONS.filter((each) => each !== 'no permissions');
const [KEY, OTHER_KEY] = [layerKey('0a'), layerKey('0b')];
const IDS = ['a'.repeat(32), 'b'.repeat(32)] as const;
const SIGNATURE = {
  rawBytes: Buffer.of(0xa3, 0, 0xff, 0x0a),
  mediaType: 'application/x',
  annotations: { key: 'é' },
  origin: 'here',
};
const [DOCUMENT, OTHER_DOCUMENT] = [Buffer.from('{"one":1}'), Buffer.from('{"other":2}')];

let scratch: Scratch;
let store: Store;
let opened: Store[];

async function open(change: Partial<StoreOptions> = {}): Promise<Store> {
  const next = await openTestStore(scratch.path, change);
  opened.push(next);
  return next;
}

beforeEach(async () => {
  scratch = new Scratch('damaged');
  opened = [];
  store = await open();
  for (const key of [KEY, OTHER_KEY]) {
    await store.withLayer(key, async () => {
      const staging = await store.stageLayer(key, DIFF_ID);
      writeFileSync(`${staging.directory}/hello`, 'hello');
      return staging.publish(FACTS);
    });
  }
  for (const bytes of [DOCUMENT, OTHER_DOCUMENT]) {
    store.putManifest(digestOf(bytes.toString()), bytes);
    store.putConfig(digestOf(bytes.toString()), bytes);
  }
  putImage('one', KEY);
  putImage('other', OTHER_KEY);
  for (const name of ['one', 'other']) store.putSignatures(digestOf(name), [SIGNATURE]);
  for (const id of IDS) {
    store.putMount({ id, target: `/${id}`, layers: [KEY], upper: '/u', imageDigest: digestOf('one') });
  }
});

afterEach(async () => {
  for (const each of opened) await each.close();
  scratch[Symbol.dispose]();
});

function putImage(name: string, key: typeof KEY): void {
  const image = { manifestDigest: digestOf(name), configDigest: DIFF_ID, layerKeys: [key], platform: 'linux/amd64' };
  store.putImage(image);
  store.putName(`example.org/${name}:1`, digestOf(name));
}

const hex = (digest: Digest) => digest.slice('sha256:'.length);
const inState = (...parts: string[]) => scratch.join('state', ...parts);
const nameFile = (name: string) => inState('names', `${hex(digestOf(`example.org/${name}:1`))}.json`);

interface Kind {
  readonly kind: string;
  readonly path: () => string;
  readonly other: () => string;
  /** Whether the store still returns what was put; a refusal counts as noticed. */
  readonly isTold: () => Promise<boolean>;
  /** Puts the record into the store again. */
  readonly mend: () => void | Promise<void>;
}

const documentKind = (kind: string, folder: 'manifests' | 'configs'): Kind => ({
  kind,
  path: () => inState(folder, 'sha256', hex(digestOf(DOCUMENT.toString()))),
  other: () => inState(folder, 'sha256', hex(digestOf(OTHER_DOCUMENT.toString()))),
  isTold: async () => {
    const digest = digestOf(DOCUMENT.toString());
    return (folder === 'manifests' ? store.getManifest(digest) : store.getConfig(digest)) !== undefined;
  },
  mend: () => {
    if (folder === 'manifests') store.putManifest(digestOf(DOCUMENT.toString()), DOCUMENT);
    else store.putConfig(digestOf(DOCUMENT.toString()), DOCUMENT);
  },
});

const KINDS: readonly Kind[] = [
  documentKind('manifest', 'manifests'),
  documentKind('config', 'configs'),
  {
    kind: 'layer record',
    path: () => inState('layers', `${KEY}.json`),
    other: () => inState('layers', `${OTHER_KEY}.json`),
    isTold: async () => (await store.findLayer(KEY)) !== undefined,
    mend: makeAgain,
  },
  {
    kind: 'image record',
    path: () => inState('images', `${digestOf('one')}.json`),
    other: () => inState('images', `${digestOf('other')}.json`),
    isTold: async () => imagesOf().some((digest) => digest === digestOf('one')),
    mend: () => putImage('one', KEY),
  },
  {
    kind: 'name',
    path: () => nameFile('one'),
    other: () => nameFile('other'),
    isTold: async () => namesOf().includes('example.org/one:1'),
    mend: () => store.putName('example.org/one:1', digestOf('one')),
  },
  {
    kind: 'record of signatures',
    path: () => inState('signatures', `${digestOf('one')}.json`),
    other: () => inState('signatures', `${digestOf('other')}.json`),
    isTold: async () => {
      const told = store.getSignatures(digestOf('one'));
      if (told.length > 0) expect(told).toEqual([SIGNATURE]);
      return told.length > 0;
    },
    mend: () => store.putSignatures(digestOf('one'), [SIGNATURE]),
  },
];

function imagesOf(): readonly string[] {
  return store.listImages().map(({ record }) => record.manifestDigest);
}

function namesOf(): readonly string[] {
  return store.listImages().flatMap(({ names }) => names);
}

describe.each(KINDS)('a $kind', ({ path, other, isTold, mend }) => {
  it('is told as it was put', async () => {
    expect(await isTold()).toBe(true);
  });

  it.each(ALTERATIONS)('%s: is as good as none, and can be put again', async (alteration) => {
    const original = readFileSync(path());
    alterFile(path(), alteration, { other: other(), elsewhere: scratch.join('elsewhere') });
    expect(await isTold()).toBe(false);
    await mend();
    expect(await isTold()).toBe(true);
    if (alteration === 'symlink') expect(readFileSync(scratch.join('elsewhere')).equals(original)).toBe(true);
  });

  it(`shows ${IS_SOAK ? 'every' : 'any'} single flipped bit`, async () => {
    const original = readFileSync(path());
    for (const { at, bit } of bitsOf(original)) {
      writeFileSync(path(), original);
      flipBit(path(), at, bit);
      expect(await isTold(), `bit ${bit} of byte ${at}`).toBe(false);
    }
    writeFileSync(path(), original);
    expect(await isTold()).toBe(true);
  });
});

/** Returns all bits, or one of each byte in the short run. */
function bitsOf({ length }: Buffer) {
  const bits = IS_SOAK ? [0, 1, 2, 3, 4, 5, 6, 7] : [undefined];
  return Array.from({ length }, (_, at) => bits.map((bit) => ({ at, bit: bit ?? at % 8 }))).flat();
}

async function makeAgain(): Promise<void> {
  let made = 0;
  await store.withLayer(KEY, async () => {
    made += 1;
    const staging = await store.stageLayer(KEY, DIFF_ID);
    return staging.publish(FACTS);
  });
  expect(made).toBe(1);
}

describe('the record of a mount', () => {
  const path = () => inState('mounts', `${IDS[0]}.json`);
  const other = () => inState('mounts', `${IDS[1]}.json`);
  const NOTICED = ALTERATIONS.filter((each) => each !== 'gone');

  it('is told as it was put', () => {
    expect(store.listMounts().map(({ id }) => id)).toEqual(IDS);
  });

  it.each(NOTICED)('%s: is refused, for nobody knows any more what it needs', async (alteration) => {
    alterFile(path(), alteration, { other: other(), elsewhere: scratch.join('elsewhere') });
    await expectFailure('STORE_RECORD_CORRUPT', () => store.listMounts());
    await store.close();
    const whileMounted = await open({ findMountedUppers: (ids) => new Set(ids) });
    await expectFailure('STORE_RECORD_CORRUPT', () => whileMounted.prune({ all: true }));
    await whileMounted.close();
    const afterwards = await open();
    await afterwards.prune({ all: true });
    expect(readdirSync(inState('mounts'))).toEqual([]);
  });

  it(`shows ${IS_SOAK ? 'every' : 'any'} single flipped bit`, async () => {
    const original = readFileSync(path());
    for (const { at, bit } of bitsOf(original)) {
      writeFileSync(path(), original);
      flipBit(path(), at, bit);
      await expectFailure('STORE_RECORD_CORRUPT', () => store.listMounts());
    }
    writeFileSync(path(), original);
    expect(store.listMounts()).toHaveLength(2);
  });
});

describe('prune', () => {
  it.each(ALTERATIONS)(
    'takes names and image records away, %s, which nobody could name any more',
    async (alteration) => {
      for (const [at, path] of [nameFile('one'), inState('images', `${digestOf('one')}.json`)].entries()) {
        const other = at === 0 ? nameFile('other') : inState('images', `${digestOf('other')}.json`);
        alterFile(path, alteration, { other, elsewhere: scratch.join(`elsewhere-${at}`) });
      }
      await store.prune({ all: false });
      expect(readdirSync(inState('names'))).toHaveLength(1);
      expect(readdirSync(inState('images'))).toEqual([`${digestOf('other')}.json`]);
    },
  );
});

describe('a marker of another boot', () => {
  const mark = (bootId: string) => writeFileSync(inState('store.json'), JSON.stringify({ format: 1, bootId }));
  const OTHER_BOOT = '99999999-2222-3333-4444-555555555555';
  const upperOf = (id: string) => scratch.join('data/uppers', id);

  beforeEach(async () => {
    for (const id of IDS) mkdirSync(upperOf(id));
    await store.close();
    mark(OTHER_BOOT);
  });

  it('does not make a durable store forget what is mounted now', async () => {
    const again = await open({ durable: true, findMountedUppers: (ids) => new Set(ids.filter((id) => id === IDS[0])) });
    expect(again.listMounts().map(({ id }) => id)).toEqual([IDS[0]]);
    expect(readdirSync(scratch.join('data/uppers'))).toEqual([IDS[0]]);
    expect(JSON.parse(readFileSync(inState('store.json')).toString()).bootId).toBe(BOOT);
  });

  it('is refused where it would throw away what is mounted now', async () => {
    await expectFailure('STORE_INVALID', () => open({ findMountedUppers: (ids) => new Set(ids) }));
    expect(readdirSync(scratch.join('data/layers'))).toEqual([KEY, OTHER_KEY]);
  });

  it('is believed when nothing is mounted', async () => {
    const again = await open();
    expect(again.listMounts()).toEqual([]);
    expect(await again.findLayer(KEY)).toBeUndefined();
  });
});

it('an upper that is mounted stays, also when its record is gone', async () => {
  for (const id of IDS) mkdirSync(scratch.join('data/uppers', id));
  for (const id of IDS) store.removeMount(id);
  await store.close();
  await open({ findMountedUppers: (ids) => new Set(ids.filter((id) => id === IDS[1])) });
  expect(readdirSync(scratch.join('data/uppers'))).toEqual([IDS[1]]);
});

describe('a symlink in the place of a directory', () => {
  const STATE = [
    'names',
    'manifests',
    'manifests/sha256',
    'configs',
    'configs/sha512',
    'images',
    'signatures',
    'layers',
    'mounts',
    'lock',
  ];
  const DATA = ['layers', 'staging', 'uppers', 'trash'];
  const PATHS = [...STATE.map((name) => `state/${name}`), ...DATA.map((name) => `data/${name}`)];

  it.each(PATHS)('%s: is refused, and nothing is written elsewhere', async (name) => {
    await store.close();
    const elsewhere = scratch.join('elsewhere');
    renameSync(scratch.join(name), elsewhere);
    symlinkSync(elsewhere, scratch.join(name));
    const before = [readdirSync(elsewhere, { recursive: true }), statSync(elsewhere).mtimeMs];
    await expectFailure('STORE_INVALID', () => open());
    expect([readdirSync(elsewhere, { recursive: true }), statSync(elsewhere).mtimeMs]).toEqual(before);
  });

  it.each(STATE.filter((name) => name !== 'lock'))(
    'state/%s: also while another process uses the store',
    async (name) => {
      const elsewhere = scratch.join('elsewhere');
      renameSync(inState(name), elsewhere);
      symlinkSync(elsewhere, inState(name));
      await expectFailure('STORE_INVALID', () => open());
    },
  );

  it('is no lock', async () => {
    await store.close();
    const lock = inState('lock/store');
    renameSync(lock, scratch.join('elsewhere'));
    symlinkSync(scratch.join('nowhere'), lock);
    await expectFailure('STORE_IO_FAILED', () => open());
    expect(existsSync(scratch.join('nowhere'))).toBe(false);
  });
});
