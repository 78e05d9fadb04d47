import { closeSync, openSync, statSync, writeFileSync } from 'node:fs';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listMembers } from '../../../src/archive/list-members.ts';
import type { TarMember } from '../../../src/archive/types.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import { char, dir, fifo, file, hardlink, rawHeader, symlink, tar } from '../../support/builders/tar-builder.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch('members');
});
afterEach(() => scratch[Symbol.dispose]());

function list(archive: Uint8Array, limits: Partial<Limits> = {}): Promise<readonly TarMember[]> {
  const path = scratch.join('archive.tar');
  writeFileSync(path, archive);
  return listFile(path, limits);
}

async function listFile(path: string, limits: Partial<Limits> = {}): Promise<readonly TarMember[]> {
  const fd = openSync(path, 'r');
  try {
    const file = { fd, offset: 0, length: statSync(path).size };
    return await listMembers({ file, limits: { ...DEFAULT_LIMITS, ...limits } });
  } finally {
    closeSync(fd);
  }
}

/** Reads the content at a member's offset. */
function contentOf(archive: Buffer, { offset, size }: TarMember): Buffer {
  return archive.subarray(offset, offset + size);
}

describe('listMembers', () => {
  it('tells names, kinds and where contents lie', async () => {
    const archive = tar([
      dir('blobs'),
      file('blobs/one', 'first'),
      file('blobs/two', Buffer.alloc(3_000_000, 'x')),
      file('empty', ''),
      symlink('link', 'blobs/one'),
      hardlink('again', 'blobs/one'),
      char('null', 1, 3),
      fifo('pipe'),
      file('last', 'last'),
    ]);
    const members = await list(archive);
    expect(members.map(({ name, kind, target, size }) => [name, kind, target, size])).toEqual([
      ['blobs/', 'other', '', 0],
      ['blobs/one', 'file', '', 5],
      ['blobs/two', 'file', '', 3_000_000],
      ['empty', 'file', '', 0],
      ['link', 'symlink', 'blobs/one', 0],
      ['again', 'hardlink', 'blobs/one', 0],
      ['null', 'other', '', 0],
      ['pipe', 'other', '', 0],
      ['last', 'file', '', 4],
    ]);
    expect(contentOf(archive, members[1] as TarMember).toString()).toBe('first');
    expect(contentOf(archive, members[2] as TarMember).equals(Buffer.alloc(3_000_000, 'x'))).toBe(true);
    expect(contentOf(archive, members[8] as TarMember).toString()).toBe('last');
  });

  it.each([0, 1, 511, 512, 513, 1023, 1024, 1 << 20, (1 << 20) + 1])('finds what follows %i bytes', async (size) => {
    const archive = tar([file('first', Buffer.alloc(size, 1)), file('second', 'here')]);
    const [, second] = await list(archive);
    expect(contentOf(archive, second as TarMember).toString()).toBe('here');
  });

  it.each(['pax', 'gnu'] as const)('reads long names as %s has them', async (format) => {
    const long = `${'d'.repeat(90)}/${'e'.repeat(120)}/${'f'.repeat(60)}`;
    const archive = tar([file(long, 'long', { format }), symlink('link', long, { format }), file('next', 'next')]);
    const [first, link, next] = await list(archive);
    expect(first?.name).toBe(long);
    expect(link?.target).toBe(long);
    expect(contentOf(archive, first as TarMember).toString()).toBe('long');
    expect(contentOf(archive, next as TarMember).toString()).toBe('next');
  });

  it('reads what tar-stream writes', async () => {
    const packed = pack();
    packed.entry({ name: 'a' }, 'content');
    packed.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of packed) chunks.push(chunk as Buffer);
    const archive = Buffer.concat(chunks);
    const [first] = await list(archive);
    expect(contentOf(archive, first as TarMember).toString()).toBe('content');
  });

  it('ends at two blocks of zeros, whatever follows', async () => {
    const archive = Buffer.concat([tar([file('one', '1')]), tar([file('two', '2')])]);
    expect((await list(archive)).map(({ name }) => name)).toEqual(['one']);
  });

  it('takes an archive without its end mark for what it has', async () => {
    expect((await list(tar([file('one', '1')], { end: 'none' }))).map(({ name }) => name)).toEqual(['one']);
  });

  describe('refuses', () => {
    const whole = tar([file('one', Buffer.alloc(1_000, 1)), file('two', Buffer.alloc(1_000, 2))]);

    it.each([1, 100, 511, 513, 600, 1_023, 1_511, 1_535, 1_600, 2_100, 3_000])(
      'an archive that breaks off at byte %i',
      async (length) => {
        await expectFailure('ARCHIVE_INVALID', () => list(whole.subarray(0, length)));
      },
    );

    it('nothing', async () => {
      await expectFailure('ARCHIVE_INVALID', () => list(Buffer.alloc(0)));
    });

    it('what is no tar', async () => {
      await expectFailure('ARCHIVE_INVALID', () => list(Buffer.alloc(4_096, 'no tar')));
    });

    it('a header with a flipped byte', async () => {
      const flipped = Buffer.from(whole);
      flipped[3] = (flipped[3] ?? 0) ^ 1;
      await expectFailure('ARCHIVE_INVALID', () => list(flipped));
    });

    it('a size that the archive does not have', async () => {
      const header = rawHeader({ name: 'huge', type: '0', size: 0o77777777777, magic: 'ustar' });
      await expectFailure('ARCHIVE_INVALID', () => list(tar([header])));
    });

    it('more members than the limit', async () => {
      const archive = tar([file('a', '1'), file('b', '2'), file('c', '3')]);
      expect(await list(archive, { maxArchiveMembers: 3 })).toHaveLength(3);
      const error = await expectFailure('ARCHIVE_LIMIT_EXCEEDED', () => list(archive, { maxArchiveMembers: 2 }));
      expect(error.context).toMatchObject({ limit: 'maxArchiveMembers', expected: 2 });
    });
  });
});

describeWith(['tar', 'truncate'], 'listMembers and GNU tar', () => {
  it.each(['gnu', 'pax', 'ustar'])('agree about an archive in the format %s', async (format) => {
    await mustRun('mkdir', ['-p', scratch.join('root/folder')]);
    writeFileSync(scratch.join('root/folder/file'), 'content');
    const path = scratch.join('gnu.tar');
    await mustRun('tar', [`--format=${format}`, '-C', scratch.join('root'), '-cf', path, '.']);
    const listed = (await mustRun('tar', ['-tf', path])).toString().trim().split('\n');
    expect((await listFile(path)).map(({ name }) => name)).toEqual(listed);
  });

  it('reads the headers of a member of 7 GiB and none of its content', async () => {
    const [path, size] = [scratch.join('big.tar'), 7 * 2 ** 30];
    // The content is a hole of the file.
    writeFileSync(path, rawHeader({ name: 'big', type: '0', size, magic: 'ustar' }));
    await mustRun('truncate', ['-s', `${512 + size}`, path]);
    writeFileSync(path, tar([file('behind', 'here')]), { flag: 'a' });
    const before = process.resourceUsage().userCPUTime;
    const members = await listFile(path);
    expect(members.map((member) => [member.name, member.size, member.offset])).toEqual([
      ['big', size, 512],
      ['behind', 4, 512 + size + 512],
    ]);
    expect(process.resourceUsage().userCPUTime - before, 'microseconds').toBeLessThan(5_000_000);
  });
});
