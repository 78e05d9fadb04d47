import { fstatSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openInside, openPath } from '../../../src/archive/open-path.ts';
import { closeFd } from '../../../src/platform/index.ts';
import { IS_ROOT, mustRun } from '../../support/machine/commands.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;
let opened: number[];
beforeEach(() => {
  scratch = new Scratch('open-path');
  opened = [];
});
afterEach(() => {
  for (const fd of opened) closeFd(fd);
  scratch[Symbol.dispose]();
});

function openAt(path: string, kind: 'directory' | 'file'): { readonly fd: number; readonly path: string } {
  const result = openPath({ path, kind });
  opened.push(result.fd);
  return result;
}

function readInside(fd: number, path: string): string | undefined {
  const file = openInside({ fd, path });
  if (file === undefined) return undefined;
  opened.push(file.fd);
  expect(file).toMatchObject({ offset: 0, length: fstatSync(file.fd).size });
  return readFileSync(`/proc/self/fd/${file.fd}`, 'utf8');
}

describe('openPath', () => {
  it('returns the real path of what it opened, and keeps to it', () => {
    mkdirSync(scratch.join('real'));
    writeFileSync(scratch.join('real/file'), 'first');
    symlinkSync('real', scratch.join('link'));
    const { fd, path } = openAt(scratch.join('link/../link/file'), 'file');
    expect(path).toBe(scratch.join('real/file'));
    renameSync(scratch.join('real/file'), scratch.join('real/old'));
    writeFileSync(scratch.join('real/file'), 'second');
    expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('first');
  });

  it.each([
    ['nothing', 'absent', 'file', 'a regular file, got none'],
    ['nothing below a file', 'file/below', 'file', 'a regular file, got none'],
    ['a directory for a file', 'folder', 'file', 'a regular file, got a directory'],
    ['a file for a directory', 'file', 'directory', 'a directory, got a regular file'],
    ['a FIFO, without waiting for a writer', 'fifo', 'file', 'a regular file, got a named pipe'],
    ['a dangling link', 'dangling', 'file', 'a regular file, got none'],
  ] as const)('refuses %s', async (_, name, kind, words) => {
    writeFileSync(scratch.join('file'), '');
    mkdirSync(scratch.join('folder'));
    await mustRun('mkfifo', [scratch.join('fifo')]);
    symlinkSync('absent', scratch.join('dangling'));
    const path = scratch.join(name);
    const error = await expectFailure('ARCHIVE_NOT_FOUND', () => openPath({ path, kind }));
    expect(error.message).toBe(`open ${path}: expected ${words}`);
  });

  it('refuses a device', async () => {
    const error = await expectFailure('ARCHIVE_NOT_FOUND', () => openPath({ path: '/dev/null', kind: 'file' }));
    expect(error.message).toBe('open /dev/null: expected a regular file, got a device');
  });

  it('says why it cannot be opened', async () => {
    // Always refused, because magic links of procfs bypass every check.
    const error = await expectFailure('ARCHIVE_READ_FAILED', () =>
      openPath({ path: '/proc/self/cwd', kind: 'directory' }),
    );
    expect(error.context['errno']).toBe('ELOOP');
  });
});

describe('openInside', () => {
  let directory: number;
  beforeEach(() => {
    mkdirSync(scratch.join('layout/blobs'), { recursive: true });
    mkdirSync(scratch.join('outside'));
    writeFileSync(scratch.join('outside/secret'), 'secret');
    writeFileSync(scratch.join('layout/blobs/one'), 'content');
    directory = openAt(scratch.join('layout'), 'directory').fd;
  });

  it('opens a file below', () => {
    expect(readInside(directory, 'blobs/one')).toBe('content');
  });

  it('follows links that stay below', () => {
    symlinkSync('blobs/one', scratch.join('layout/link'));
    symlinkSync('../blobs', scratch.join('layout/blobs/again'));
    expect(readInside(directory, 'link')).toBe('content');
    expect(readInside(directory, 'blobs/again/one')).toBe('content');
  });

  it.each(['absent', 'blobs/one/below', 'absent/one'])('finds nothing at %s', (path) => {
    expect(readInside(directory, path)).toBeUndefined();
  });

  it.each<[what: string, path: string, plant: () => void]>([
    ['an absolute link', 'escape', () => symlinkSync(scratch.join('outside/secret'), scratch.join('layout/escape'))],
    ['a link to above', 'escape', () => symlinkSync('../outside/secret', scratch.join('layout/escape'))],
    ['a folder that is a link to above', 'out/secret', () => symlinkSync('../outside', scratch.join('layout/out'))],
    ['a link to itself', 'loop', () => symlinkSync('loop', scratch.join('layout/loop'))],
    ['a path with ..', '../outside/secret', () => undefined],
    ['an absolute path', '/etc/passwd', () => undefined],
    ['a directory', 'blobs', () => undefined],
  ])('refuses %s', async (_, path, plant) => {
    plant();
    await expectFailure('ARCHIVE_INVALID', () => openInside({ fd: directory, path }));
  });

  it('refuses a FIFO without waiting for a writer', async () => {
    await mustRun('mkfifo', [scratch.join('layout/fifo')]);
    await expectFailure('ARCHIVE_INVALID', () => openInside({ fd: directory, path: 'fifo' }));
  });

  it.skipIf(!IS_ROOT)(`refuses a device${IS_ROOT ? '' : ' (skipped: needs root)'}`, async () => {
    await mustRun('mknod', [scratch.join('layout/zero'), 'c', '1', '5']);
    await expectFailure('ARCHIVE_INVALID', () => openInside({ fd: directory, path: 'zero' }));
  });

  it('leaves no descriptor behind, whatever it refuses', async () => {
    symlinkSync('../outside/secret', scratch.join('layout/escape'));
    await mustRun('mkfifo', [scratch.join('layout/fifo')]);
    const before = readdirSync('/proc/self/fd').length;
    for (const path of ['escape', 'fifo', 'blobs']) {
      await expectFailure('ARCHIVE_INVALID', () => openInside({ fd: directory, path }));
    }
    expect(openInside({ fd: directory, path: 'absent' })).toBeUndefined();
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});
