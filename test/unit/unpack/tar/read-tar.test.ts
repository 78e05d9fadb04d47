import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../../src/limits/index.ts';
import type { EntrySink } from '../../../../src/unpack/index.ts';
import { readTar } from '../../../../src/unpack/tar/index.ts';
import {
  block,
  char,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  rawHeader,
  symlink,
  tar,
  whiteout,
  zeroBlocks,
} from '../../../support/builders/tar-builder.ts';
import { expectFailure } from '../../../support/matchers.ts';
import { ListingSink, listTar, writeInChunks } from '../../../support/oracles/tar-listing.ts';

const IGNORE: EntrySink = { entry() {}, data() {}, end() {} };
const ONE_FILE = tar([file('a', 'hello')]);

describe('readTar', () => {
  it('gives every type of entry with the fields that the type has', () => {
    const listed = listTar(
      tar([
        dir('d', { mode: 0o1777 }),
        file('d/f', 'content', { mode: 0o4755, uid: 1, gid: 2, mtime: { seconds: 7, nanoseconds: 8 } }),
        hardlink('h', 'd/f'),
        symlink('s', '/anywhere'),
        char('c', 1, 3),
        block('b', 8, 259),
        fifo('p'),
        whiteout('d/gone'),
        opaque('d'),
      ]),
    );
    expect(
      listed.map(({ type, unsafeName, unsafeLinkname, devmajor, devminor, content }) => [
        type,
        unsafeName,
        unsafeLinkname,
        devmajor,
        devminor,
        content,
      ]),
    ).toEqual([
      ['directory', 'd/', '', 0, 0, ''],
      ['file', 'd/f', '', 0, 0, 'content'],
      ['hardlink', 'h', 'd/f', 0, 0, ''],
      ['symlink', 's', '/anywhere', 0, 0, ''],
      ['char', 'c', '', 1, 3, ''],
      ['block', 'b', '', 8, 259, ''],
      ['fifo', 'p', '', 0, 0, ''],
      ['file', 'd/.wh.gone', '', 0, 0, ''],
      ['file', 'd/.wh..wh..opq', '', 0, 0, ''],
    ]);
    expect(listed[0]?.mode).toBe(0o1777);
    expect(listed[1]).toMatchObject({ mode: 0o4755, uid: 1, gid: 2, size: 7, mtime: { seconds: 7, nanoseconds: 8 } });
  });

  it('passes content on as a part of the chunk, without copying it', () => {
    const pieces: Uint8Array[] = [];
    const reader = readTar(DEFAULT_LIMITS, { ...IGNORE, data: (chunk) => pieces.push(chunk) });
    const archive = tar([file('a', Buffer.alloc(2000, 'x'))]);
    const [head, middle, rest] = [archive.subarray(0, 700), archive.subarray(700, 1000), archive.subarray(1000)];
    for (const chunk of [head, middle, rest]) reader.write(chunk);
    expect(pieces.map((piece) => piece.length)).toEqual([188, 300, 1512]);
    expect(pieces.every((piece) => piece.buffer === archive.buffer)).toBe(true);
    expect(pieces[1]).toBe(middle);
  });

  it('reads chunks that lie in shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(ONE_FILE.length));
    shared.set(ONE_FILE);
    const sink = new ListingSink();
    const reader = readTar(DEFAULT_LIMITS, sink);
    reader.write(shared);
    reader.end();
    expect(sink.entries.map((entry) => entry.content)).toEqual(['hello']);
  });

  it('announces a file before its content, and the end only when it is told the end', () => {
    const events: string[] = [];
    const reader = readTar(DEFAULT_LIMITS, {
      entry: (entry) => events.push(`entry ${entry.unsafeName}`),
      data: (chunk) => events.push(`data ${chunk.length}`),
      end: () => events.push('end'),
    });
    reader.write(tar([file('a', 'hello'), file('b'), file('c', 'x')]));
    expect(events).toEqual(['entry a', 'data 5', 'entry b', 'entry c', 'data 1']);
    reader.end();
    expect(events.at(-1)).toBe('end');
  });

  it('ignores whatever follows the end marker, in whatever chunks', () => {
    const archive = Buffer.concat([ONE_FILE, tar([file('smuggled')]), Buffer.from('and garbage')]);
    for (const chunkBytes of [1, 512, archive.length]) expect(listTar(archive, chunkBytes)).toHaveLength(1);
  });

  it('accepts an archive without end marker, as Go does', () => {
    expect(listTar(tar([file('a', 'hello')], { end: 'none' }))).toHaveLength(1);
    expect(listTar(tar([file('a', 'hello')], { end: 'one-block' }))).toHaveLength(1);
  });

  it.each([
    ['a header', 300],
    ['content', 515],
    ['the second zero block', 1024 + 512 + 100],
  ])('refuses an archive that was cut within %s and does not end its sink', async (_, length) => {
    const sink = new ListingSink();
    const reader = readTar(DEFAULT_LIMITS, sink);
    reader.write(ONE_FILE.subarray(0, length));
    await expectFailure('TAR_INVALID', () => reader.end());
    expect(sink.ended).toBe(false);
  });

  it('refuses a single zero block that a header follows', async () => {
    await expectFailure('TAR_INVALID', () => listTar(tar([file('a'), zeroBlocks(1), file('b')])));
  });

  it('tells where the refused header starts, however the chunks fall', async () => {
    const archive = tar([file('a', 'hello'), rawHeader({ mode: 'rwxr-xr-' })]);
    for (const chunkBytes of [1, 700, archive.length]) {
      const error = await expectFailure('TAR_INVALID', () => listTar(archive, chunkBytes));
      expect(error.message).toContain('tar header at byte 1024: mode: expected an octal or base-256 number');
    }
  });

  it('says nothing of an entry that it refuses', async () => {
    const sink = new ListingSink();
    const reader = readTar(DEFAULT_LIMITS, sink);
    await expectFailure('TAR_UNSUPPORTED', () => reader.write(tar([file('good', 'x'), rawHeader({ type: 'S' })])));
    expect(sink.entries.map((entry) => entry.unsafeName)).toEqual(['good']);
    expect(sink.ended).toBe(false);
  });

  it('cannot be used again after a refusal', async () => {
    const reader = readTar(DEFAULT_LIMITS, IGNORE);
    await expectFailure('TAR_INVALID', () => reader.write(Buffer.alloc(512, 'g')));
    await expectFailure('INTERNAL', () => reader.write(ONE_FILE));
    await expectFailure('INTERNAL', () => reader.end());
  });

  it('cannot be used again after its end', async () => {
    const reader = readTar(DEFAULT_LIMITS, IGNORE);
    writeInChunks(reader, ONE_FILE, 512);
    reader.end();
    await expectFailure('INTERNAL', () => reader.write(ONE_FILE));
    await expectFailure('INTERNAL', () => reader.end());
  });

  it('lets the failure of its sink through as it is', async () => {
    const refusal = new SealiftError('UNPACK_PATH_ESCAPE', 'entry a: leaves the root');
    const throwing: EntrySink = {
      ...IGNORE,
      entry() {
        throw refusal;
      },
    };
    const reader = readTar(DEFAULT_LIMITS, throwing);
    expect(await expectFailure('UNPACK_PATH_ESCAPE', () => reader.write(ONE_FILE))).toBe(refusal);
    await expectFailure('INTERNAL', () => reader.end());
  });
});
