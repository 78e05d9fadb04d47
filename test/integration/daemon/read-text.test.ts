import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTextIfAny } from '../../../src/daemon/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;

describe('readTextIfAny', () => {
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch('read-text');
  });

  afterEach(() => scratch[Symbol.dispose]());

  it('returns the text of a file, and undefined for none and for a directory', () => {
    const path = scratch.join('resolv.conf');
    writeFileSync(path, 'nameserver 10.0.0.1\n');
    mkdirSync(scratch.join('directory'));
    expect(readTextIfAny(path)).toBe('nameserver 10.0.0.1\n');
    expect(readTextIfAny(scratch.join('none'))).toBeUndefined();
    expect(readTextIfAny(scratch.join('directory'))).toBeUndefined();
  });

  it('does not wait for the writer of a pipe, nor read a device', () => {
    const pipe = scratch.join('pipe');
    execFileSync('mkfifo', [pipe]);
    // In another process: a read that waits would hold up this one.
    const paths = JSON.stringify([pipe, '/dev/null']);
    const script = `import('./src/daemon/wait-for-resolver.ts').then(({ readTextIfAny }) =>
      process.stdout.write(${paths}.map((path) => String(readTextIfAny(path))).join()))`;
    const output = execFileSync(process.execPath, ['-e', script], { cwd: ROOT, stdio: 'pipe', timeout: 20_000 });
    expect(output.toString()).toBe('undefined,undefined');
  });
});
