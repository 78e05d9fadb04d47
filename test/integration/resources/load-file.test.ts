import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  countingLoader,
  createResourceLoader,
  inlineUri,
  loadText,
  loadTextIfPresent,
  type ResourceLoad,
} from '../../../src/resources/index.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const POLICY = { what: 'policy', maxBytes: 100_000, code: 'POLICY_INVALID' } as const;

function errnoOf(action: () => void): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

describe('a file as a resource', () => {
  const resources = createResourceLoader();
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch('resources');
  });
  afterEach(() => scratch[Symbol.dispose]());

  function write(content: string | Uint8Array): string {
    writeFileSync(scratch.join('document'), content);
    return scratch.join('document');
  }

  it('may be as large as the limit, and no larger', async () => {
    const path = write('x'.repeat(POLICY.maxBytes));
    expect((await loadText(resources, `file://${path}`, POLICY)).length).toBe(POLICY.maxBytes);
    write('x'.repeat(POLICY.maxBytes + 1));
    const error = await expectFailure('POLICY_INVALID', () => resources.load(path, POLICY));
    expect(error.message).toBe(`load policy ${path}: expected at most 100000 bytes, got more`);
    expect(error.context).toMatchObject({ limit: 'maxConfigurationBytes', expected: 100_000 });
  });

  it('may be absent only for a caller that allows it', async () => {
    const path = scratch.join('absent');
    expect(await loadTextIfPresent(resources, path, POLICY)).toBeUndefined();
    const { message } = await expectFailure('POLICY_INVALID', () => loadText(resources, path, POLICY));
    expect(message).toBe(`load policy ${path}: cannot be read`);
    await expectFailure('POLICY_INVALID', () => loadTextIfPresent(resources, scratch.path, POLICY));
  });

  it('is counted by its source and how its load ended', async () => {
    const loads: ResourceLoad[] = [];
    const counted = countingLoader(resources, (load) => loads.push(load));
    expect(await loadText(counted, write('text'), POLICY)).toBe('text');
    await loadTextIfPresent(counted, scratch.join('absent'), POLICY);
    await expectFailure('POLICY_INVALID', () => counted.load(scratch.path, POLICY));
    await counted.load(inlineUri('text'), POLICY);
    await expectFailure('CONFIG_UNSUPPORTED', () => counted.load('ftp://x/y', POLICY));
    expect(loads).toEqual([
      { source: 'file', result: 'ok' },
      { source: 'file', result: 'absent' },
      { source: 'file', result: 'POLICY_INVALID' },
      { source: 'inline', result: 'ok' },
      { source: 'none', result: 'CONFIG_UNSUPPORTED' },
    ]);
  });

  it('must be UTF-8 to be text', async () => {
    const path = write(new Uint8Array([0x7b, 0xff, 0x7d]));
    expect(await resources.load(path, POLICY)).toHaveLength(3);
    const { message } = await expectFailure('POLICY_INVALID', () => loadText(resources, path, POLICY));
    expect(message).toBe(`load policy ${path}: expected UTF-8 text`);
  });

  it('may be a pipe, and the wait for one that nothing writes to can be cancelled', async () => {
    const unread = scratch.join('unread');
    const pipe = scratch.join('pipe');
    await mustRun('mkfifo', [unread, pipe]);
    const controller = new AbortController();
    const waiting = resources.load(unread, { ...POLICY, signal: controller.signal });
    controller.abort();
    await expectFailure('PULL_CANCELLED', () => waiting);
    // Nothing has the read end open any more: a thread that waited in the kernel would have.
    const toWrite = constants.O_WRONLY | constants.O_NONBLOCK;
    await expect.poll(() => errnoOf(() => closeSync(openSync(unread, toWrite)))).toBe('ENXIO');
    const loading = loadText(resources, pipe, POLICY);
    await mustRun('sh', ['-c', 'printf text > "$1"', 'sh', pipe]);
    expect(await loading).toBe('text');
  });
});
