import { describe, expect, it } from 'vitest';
import type { CommandEnd } from '../../../src/platform/index.ts';
import { runProgram } from '../../../src/volume/run-program.ts';
import { expectFailure } from '../../support/matchers.ts';

const COMMAND = { program: 'cryptsetup', parameters: ['luksFormat', '/dev/vda'], timeoutMs: 500, lockFd: 3 };

function run(end: CommandEnd, started: () => void = () => undefined): Promise<string> {
  return runProgram({ stuckPrograms: 0, start: () => ({ end: Promise.resolve(end) }) }, COMMAND, started);
}

describe('runProgram', () => {
  it('returns the output of a program that succeeds, and reports when it runs', async () => {
    const calls: string[] = [];
    const end: CommandEnd = { kind: 'exited', code: 0, stdout: 'words', stderr: 'a warning' };
    expect(await run(end, () => calls.push('started'))).toBe('words');
    expect(calls).toEqual(['started']);
  });

  it.each<{
    what: string;
    end: CommandEnd;
    code: 'VOLUME_PROGRAM_FAILED' | 'VOLUME_PROGRAM_MISSING' | 'VOLUME_STALLED';
    words: RegExp;
    limit?: string;
  }>([
    {
      what: 'an exit code',
      end: { kind: 'exited', code: 4, stdout: '', stderr: 'Device /dev/vda is too small.\n' },
      code: 'VOLUME_PROGRAM_FAILED',
      words: /cryptsetup luksFormat: expected success, got exit code 4: Device \/dev\/vda is too small\.$/,
    },
    {
      what: 'a signal',
      end: { kind: 'killed', signal: 'SIGSEGV', stderr: '' },
      code: 'VOLUME_PROGRAM_FAILED',
      words: /got SIGSEGV/,
    },
    {
      what: 'a deadline',
      end: { kind: 'timedOut', isStuck: true, stderr: '' },
      code: 'VOLUME_STALLED',
      words: /within 500 ms/,
      limit: 'volumeTimeoutMs',
    },
    {
      what: 'its absence',
      end: { kind: 'missing', folders: ['/usr/sbin', '/sbin'] },
      code: 'VOLUME_PROGRAM_MISSING',
      words: /expected the program in one of \/usr\/sbin, \/sbin/,
    },
  ])('refuses $what', async ({ end, code, words, limit }) => {
    const error = await expectFailure(code, () => run(end));
    expect(error.message).toMatch(words);
    expect(error.context['limit']).toBe(limit);
  });

  it('quotes the end of a long output', async () => {
    const stderr = `${'x'.repeat(10_000)}the reason`;
    const error = await expectFailure('VOLUME_PROGRAM_FAILED', () =>
      run({ kind: 'exited', code: 1, stdout: '', stderr }),
    );
    expect(error.message).toMatch(/the reason$/);
    expect(error.message.length).toBeLessThan(2_200);
  });
});
