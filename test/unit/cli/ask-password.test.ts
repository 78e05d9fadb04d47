import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { askPassword, type TerminalInput } from '../../../src/cli/ask-password.ts';

/** A terminal that records the calls that it receives, and types `chunks` once a listener reads in raw mode. */
class TypingTerminal extends EventEmitter implements TerminalInput {
  readonly done: string[] = [];
  readonly #chunks: readonly string[];

  constructor(chunks: readonly string[]) {
    super();
    this.#chunks = chunks;
  }

  setRawMode(raw: boolean): void {
    this.done.push(raw ? 'raw' : 'cooked');
  }

  setEncoding(): void {
    this.done.push('utf8');
  }

  resume(): void {
    for (const chunk of this.#chunks) this.emit('data', chunk);
  }

  pause(): void {
    this.done.push('pause');
  }
}

async function ask(chunks: readonly string[]) {
  const input = new TypingTerminal(chunks);
  let shown = '';
  const output = {
    write: (text: string | Uint8Array) => {
      shown += text;
    },
  };
  const answer = await askPassword(input, output, 'Password: ');
  expect(input.done).toEqual(['utf8', 'raw', 'cooked', 'pause']);
  expect(input.listenerCount('data')).toBe(0);
  return { answer, shown };
}

describe('askPassword', () => {
  it.each([
    ['a line', ['hunter2\r'], 'hunter2'],
    ['single keys', ['h', 'u', '\n'], 'hu'],
    ['an end of file', ['abc\u0004'], 'abc'],
    ['corrections, also of characters outside the BMP', ['a😀\u007fb\bc\r'], 'ac'],
    ['a correction of nothing', ['\u007fa\r'], 'a'],
    ['nothing', ['\r'], ''],
    ['more lines than one', ['a\rb\r'], 'a'],
    ['an interrupt', ['abc\u0003'], undefined],
  ])('takes %s', async (_, chunks, expected) => {
    const { answer, shown } = await ask(chunks);
    expect(answer).toBe(expected);
    expect(shown).toBe('Password: \n');
  });

  it.each([
    ['while it waits', false],
    ['before it asks', true],
  ])('gives the terminal back when it is cancelled %s', async (_, early) => {
    const input = new TypingTerminal(['abc']);
    const abort = new AbortController();
    if (early) abort.abort();
    const answer = askPassword(input, { write: () => true }, 'Password: ', abort.signal);
    abort.abort();
    expect(await answer).toBeUndefined();
    expect(input.done).toEqual(early ? [] : ['utf8', 'raw', 'cooked', 'pause']);
    expect(input.listenerCount('data')).toBe(0);
  });
});
