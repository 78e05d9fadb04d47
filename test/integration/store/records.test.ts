import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDigest } from '../../../src/oci/index.ts';
import { writeCheckedRecord } from '../../../src/store/checked-record.ts';
import { countRecords, type Store } from '../../../src/store/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { layerKey, openTestStore, readName } from '../../support/stores/store-fixtures.ts';

let scratch: Scratch;
let store: Store;

beforeEach(async () => {
  scratch = new Scratch('records');
  store = await openTestStore(scratch.path);
});

afterEach(async () => {
  await store.close();
  scratch[Symbol.dispose]();
});

function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256') {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
}

describe.each([
  ['manifests', () => ({ put: store.putManifest, get: store.getManifest })],
  ['configs', () => ({ put: store.putConfig, get: store.getConfig })],
] as const)('%s', (folder, access) => {
  const bytes = Buffer.from('{"schemaVersion": 2 }\n');

  it.each(['sha256', 'sha512'] as const)('come back as they were put, by %s', (algorithm) => {
    const digest = digestOf(bytes, algorithm);
    access().put(digest, bytes);
    expect(Buffer.from(access().get(digest) ?? '')).toEqual(bytes);
  });

  it('are absent until put', () => {
    expect(access().get(digestOf(bytes))).toBeUndefined();
  });

  it('are hashed again: one altered bit, and it is absent and gone', () => {
    const digest = digestOf(bytes);
    access().put(digest, bytes);
    const path = scratch.join('state', folder, 'sha256', digest.slice('sha256:'.length));
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(3) ^ 1, 3);
    writeFileSync(path, altered);
    expect(access().get(digest)).toBeUndefined();
    expect(existsSync(path)).toBe(false);
    access().put(digest, bytes);
    expect(access().get(digest)).toBeDefined();
  });
});

describe('names', () => {
  const digest = digestOf(Buffer.from('manifest'));
  const nameFile = () => scratch.join('state/names', readdirSync(scratch.join('state/names'))[0] ?? '');

  it('lead to the digest that was put last', () => {
    expect(readName(scratch.join('state'), 'example.org/app:1')).toBeUndefined();
    store.putName('example.org/app:1', digestOf(Buffer.from('old')));
    store.putName('example.org/app:1', digest);
    expect(readName(scratch.join('state'), 'example.org/app:1')).toBe(digest);
    expect(readName(scratch.join('state'), 'example.org/app:2')).toBeUndefined();
  });

  it('may be longer than a file name and hold slashes', () => {
    const reference = `example.org/${'a/'.repeat(100)}app:${'t'.repeat(128)}`;
    store.putName(reference, digest);
    expect(readName(scratch.join('state'), reference)).toBe(digest);
  });

  it.each([
    ['is torn', '{"reference":"example.org/app:1","dig'],
    ['belongs to another name', JSON.stringify({ reference: 'example.org/evil:1', digest })],
    ['has no digest', JSON.stringify({ reference: 'example.org/app:1', digest: 'latest' })],
    ['has more than it may', JSON.stringify({ reference: 'example.org/app:1', digest, trusted: true })],
  ])('refuse a record that %s', async (_, content) => {
    store.putName('example.org/app:1', digest);
    writeFileSync(nameFile(), content);
    await expectFailure('STORE_RECORD_CORRUPT', () => readName(scratch.join('state'), 'example.org/app:1'));
  });

  it('refuse a symlink in the place of a record', async () => {
    store.putName('example.org/app:1', digest);
    const path = nameFile();
    writeFileSync(scratch.join('elsewhere'), JSON.stringify({ reference: 'example.org/app:1', digest }));
    execFileSync('ln', ['-sfn', scratch.join('elsewhere'), path]);
    await expectFailure('STORE_RECORD_CORRUPT', () => readName(scratch.join('state'), 'example.org/app:1'));
  });
});

describe('uppers', () => {
  it('are empty, private and each its own', async () => {
    const [one, two] = [await store.createUpper(), await store.createUpper()];
    expect(one.id).not.toBe(two.id);
    expect(one.upper).toBe(scratch.join('data/uppers', one.id, 'upper'));
    expect([readdirSync(one.upper), readdirSync(one.work)]).toEqual([[], []]);
    expect(lstatSync(scratch.join('data/uppers', one.id)).mode & 0o777).toBe(0o700);
  });

  it('are deleted with all that containers can leave in them', async () => {
    const { id, upper } = await store.createUpper();
    const odd = Buffer.concat([Buffer.from(`${upper}/`), Buffer.from([0xff, 0xfe, 0x2f, 0x80])]);
    mkdirSync(odd.subarray(0, -2));
    writeFileSync(odd, 'not UTF-8');
    mkdirSync(`${upper}/closed`);
    writeFileSync(scratch.join('sentinel'), 'stays');
    symlinkSync(scratch.join('sentinel'), `${upper}/closed/link`);
    symlinkSync(scratch.path, `${upper}/out`);
    chmodSync(`${upper}/closed`, process.getuid?.() === 0 ? 0 : 0o700);
    await store.trashUpper(id);
    expect(readdirSync(scratch.join('data/uppers'))).toEqual([]);
    await store.close();
    expect(readdirSync(scratch.join('data/trash'))).toEqual([]);
    expect(existsSync(scratch.join('sentinel'))).toBe(true);
  });

  it('may be thrown away twice', async () => {
    const { id } = await store.createUpper();
    await store.trashUpper(id);
    await store.trashUpper(id);
  });

  it.each(['', '..', '../../state', 'x'])('are never looked for at %j', async (id) => {
    await expectFailure('INTERNAL', () => store.trashUpper(id));
  });
});

describe('mount records', () => {
  const id = randomBytes(16).toString('hex');
  const record = {
    id,
    target: '/bundle/rootfs',
    layers: [layerKey('0a'), layerKey('0b')],
    upper: '/u',
    imageDigest: 'sha256:x',
  };

  it('come back until they are removed', () => {
    store.putMount(record);
    expect(store.listMounts()).toEqual([record]);
    store.removeMount(id);
    store.removeMount(id);
    expect(store.listMounts()).toEqual([]);
  });

  it('are refused when they are damaged', async () => {
    store.putMount(record);
    writeFileSync(scratch.join('state/mounts', `${id}.json`), '{}');
    await expectFailure('STORE_RECORD_CORRUPT', () => store.listMounts());
  });

  it('are refused when they name a layer by what is no key', async () => {
    writeCheckedRecord(scratch.join('state/mounts', `${id}.json`), { ...record, layers: ['../../elsewhere'] });
    await expectFailure('STORE_RECORD_CORRUPT', () => store.listMounts());
  });
});

describe('countRecords', () => {
  it('finds what there is, and nothing where no store was opened', () => {
    store.putMount({ id: '7'.repeat(32), target: '/x', layers: [], upper: '/u', imageDigest: digestOf(Buffer.of()) });
    expect(countRecords(scratch.join('state'))).toEqual({ images: 0, layers: 0, mountIds: ['7'.repeat(32)] });
    expect(countRecords(scratch.join('no-state'))).toEqual({ images: 0, layers: 0, mountIds: [] });
  });
});

describe('checkSpace', () => {
  it('lets pass what fits, with the number', async () => {
    const report = await store.checkSpace({ compressedBytes: 1, estimatedBytes: 2 });
    expect(report.verdict).toBe('fits');
    const { bavail, bsize } = statfsSync(scratch.path);
    expect(report.availableBytes).toBeLessThan(bavail * bsize * 1.1);
    expect(report.availableBytes).toBeGreaterThan(0);
  });

  it('warns when only the estimate does not fit', async () => {
    const report = await store.checkSpace({ compressedBytes: 1, estimatedBytes: Number.MAX_SAFE_INTEGER });
    expect(report.verdict).toBe('tight');
  });

  it('refuses what cannot fit, with need and have', async () => {
    const need = { compressedBytes: Number.MAX_SAFE_INTEGER, estimatedBytes: Number.MAX_SAFE_INTEGER };
    const error = await expectFailure('STORE_SPACE_EXHAUSTED', () => store.checkSpace(need));
    expect(error.context).toMatchObject({ expected: Number.MAX_SAFE_INTEGER, actual: expect.any(Number) });
  });
});
