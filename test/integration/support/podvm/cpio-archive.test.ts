import { mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pseudoRandom } from '../../../support/builders/small-image.ts';
import { mustRun } from '../../../support/machine/commands.ts';
import { describeWith } from '../../../support/machine/needs.ts';
import { Scratch } from '../../../support/machine/scratch.ts';
import { type CpioEntry, writeCpio } from '../../../support/podvm/cpio-archive.ts';

let scratch: Scratch;

beforeEach(() => {
  scratch = new Scratch('cpio');
  mkdirSync(scratch.join('out'));
  writeFileSync(scratch.join('host-file'), 'from the host');
});

afterEach(() => scratch[Symbol.dispose]());

function write(name: string): string {
  // Lengths around the padding to four bytes, of names and of contents.
  const sized = [0, 1, 2, 3, 4, 70_000].map(
    (length): CpioEntry => ({
      kind: 'file',
      path: `folder/${'n'.repeat((length % 4) + 1)}-${length}`,
      mode: 0o644,
      content: pseudoRandom(length, String(length)),
    }),
  );
  writeCpio(scratch.join(name), [
    { kind: 'directory', path: 'folder', mode: 0o755 },
    ...sized,
    { kind: 'file', path: 'program', mode: 0o755, content: { hostPath: scratch.join('host-file') } },
    { kind: 'symlink', path: 'link', target: 'folder/n-0' },
  ]);
  return scratch.join(name);
}

describeWith(['busybox'], 'the cpio writer', () => {
  it('writes what another program unpacks to the same files', async () => {
    await mustRun('busybox', ['cpio', '-i'], { cwd: scratch.join('out'), input: readFileSync(write('archive')) });
    for (const length of [0, 1, 2, 3, 4, 70_000]) {
      const path = scratch.join('out/folder', `${'n'.repeat((length % 4) + 1)}-${length}`);
      expect(readFileSync(path).equals(pseudoRandom(length, String(length))), path).toBe(true);
    }
    expect(readFileSync(scratch.join('out/program'), 'utf8')).toBe('from the host');
    expect(statSync(scratch.join('out/program')).mode & 0o7777).toBe(0o755);
    expect(readlinkSync(scratch.join('out/link'))).toBe('folder/n-0');
  });

  it('writes the same bytes for the same files', () => {
    expect(readFileSync(write('one')).equals(readFileSync(write('other')))).toBe(true);
  });
});
