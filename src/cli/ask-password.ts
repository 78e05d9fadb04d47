import type { OutputStream } from './types.ts';

/** The part of `tty.ReadStream` that the prompt uses. */
export interface TerminalInput {
  setRawMode(raw: boolean): unknown;
  setEncoding(encoding: 'utf8'): unknown;
  on(event: 'data', listener: (text: string) => void): unknown;
  off(event: 'data', listener: (text: string) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

const INTERRUPT = '\u0003';
const ENDS = new Set(['\r', '\n', '\u0004']);
const ERASES = new Set(['\u007f', '\b']);
const MAX_CHARACTERS = 4096;

/** Reads a line that the terminal does not show; undefined when the user interrupts or `signal` aborts. */
export function askPassword(
  input: TerminalInput,
  output: OutputStream,
  prompt: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(undefined);
    let characters: string[] = [];
    const finish = (answer: string | undefined): void => {
      signal?.removeEventListener('abort', onAbort);
      input.off('data', onData);
      input.setRawMode(false);
      input.pause();
      output.write('\n');
      resolve(answer);
    };
    const onData = (text: string): void => {
      for (const character of text) {
        if (character === INTERRUPT || ENDS.has(character)) {
          finish(character === INTERRUPT ? undefined : characters.join(''));
          return;
        }
        if (ERASES.has(character)) characters = characters.slice(0, -1);
        else if (characters.length < MAX_CHARACTERS) characters.push(character);
      }
    };
    // A terminal left in raw mode would not show what the user types next.
    const onAbort = (): void => finish(undefined);
    signal?.addEventListener('abort', onAbort);
    output.write(prompt);
    input.setEncoding('utf8');
    // In raw mode the terminal neither echoes nor turns Ctrl-C into a signal.
    input.setRawMode(true);
    input.on('data', onData);
    input.resume();
  });
}
