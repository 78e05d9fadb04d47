import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeFd, openBeneath, openUnnamedShared } from '../../../src/platform/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch('unnamed');
});
afterEach(() => scratch[Symbol.dispose]());

const PLATFORM = new URL('../../../src/platform/index.ts', import.meta.url).href;

/** Runs `code` in a thread, which ends afterwards; returns what it posts. */
function inThread(code: string, workerData: unknown): Promise<unknown> {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(PLATFORM)}).then((platform) => parentPort.postMessage((${code})(platform, workerData)));
  `;
  return new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true, workerData });
    let answer: unknown;
    worker.on('message', (message) => {
      answer = message;
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve(answer));
  });
}

describe('openUnnamedShared', () => {
  it('makes a file that has no name and can be written and read', () => {
    const fd = openUnnamedShared(scratch.path);
    try {
      writeSync(fd, 'content', 0);
      const room = Buffer.alloc(7);
      readSync(fd, room, 0, 7, 0);
      expect(room.toString()).toBe('content');
      expect(fstatSync(fd).nlink).toBe(0);
      expect(readdirSync(scratch.path)).toEqual([]);
    } finally {
      closeFd(fd);
    }
  });

  it('gives a descriptor that outlives the thread', async () => {
    const fd = (await inThread('({ openUnnamedShared }, path) => openUnnamedShared(path)', scratch.path)) as number;
    expect(fstatSync(fd).isFile()).toBe(true);
    closeFd(fd);
  });

  it('leaves nothing open where it fails', async () => {
    const before = readdirSync('/proc/self/fd').length;
    expect(() => openUnnamedShared('/proc/self/fdinfo')).toThrow();
    expect(() => openUnnamedShared(scratch.join('absent'))).toThrow('ENOENT');
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});

describe('openBeneath', () => {
  it('opens below and refuses to leave', async () => {
    mkdirSync(scratch.join('root/folder'), { recursive: true });
    writeFileSync(scratch.join('root/folder/file'), '');
    writeFileSync(scratch.join('outside'), '');
    symlinkSync('folder/file', scratch.join('root/inner'));
    symlinkSync('../outside', scratch.join('root/outer'));
    symlinkSync(scratch.join('root/folder/file'), scratch.join('root/absolute'));
    const root = openSync(scratch.join('root'), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      for (const path of ['folder/file', 'inner']) closeFd(openBeneath(root, path, constants.O_RDONLY));
      for (const path of ['outer', 'absolute', '../outside', '/etc/passwd']) {
        const error = await expectFailure('PLATFORM_CALL_FAILED', () => openBeneath(root, path, constants.O_RDONLY));
        expect(error.context['errno']).toBe('EXDEV');
      }
    } finally {
      closeSync(root);
    }
  });
});
