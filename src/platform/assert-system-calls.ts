import { closeSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { SealiftError } from '../errors/index.ts';
import { errnoOf } from './errno-of.ts';
import { S_IFMT } from './syscall-flags.ts';
import { lutimes, mknod, openInRoot } from './syscalls.ts';

/**
 * Proves that calls reach the kernel with the right arguments and that errno is read from the right address. Needs no
 * privileges. Throws PLATFORM_CALL_FAILED.
 */
export function assertSystemCalls(directory = tmpdir()): void {
  const probe = mkdtempSync(`${directory}/sealift-probe-`);
  try {
    const file = `${probe}/file`;
    writeFileSync(file, '');
    lutimes(file, -5, 123_456_789);
    const { mtimeNs } = statSync(file, { bigint: true });
    if (mtimeNs !== -4_876_543_211n) throw selfTestFailed('mtime -4876543211', `mtime ${mtimeNs}`);
    expectErrno('ENOENT', () => lutimes(`${probe}/absent`, 0, 0));
    expectErrno('EEXIST', () => mknod(file, S_IFMT.FIFO, { major: 0, minor: 0 }));
    expectErrno('EBADF', () => closeSync(openInRoot(-1, 'absent', 0)));
  } finally {
    rmSync(probe, { recursive: true });
  }
}

function expectErrno(expected: string, call: () => void): void {
  let actual: string | undefined = 'success';
  try {
    call();
  } catch (error) {
    actual = errnoOf(error);
    if (actual === undefined) throw error;
  }
  if (actual !== expected) throw selfTestFailed(expected, actual);
}

function selfTestFailed(expected: string, actual: string): SealiftError {
  return new SealiftError('PLATFORM_CALL_FAILED', `self-test of system calls: expected ${expected}, got ${actual}`);
}
