import { CODES, daemonHint, type ErrorCode, SealiftError } from '../errors/index.ts';
import { type Reply, STATUS } from '../ttrpc/index.ts';

/** Matches the end of what {@link failAsHub} and ttrpc's `failWith` write: the code in brackets and, of the first, a hint. */
const FAILURE = /^(?<message>.*) \[(?<code>[A-Z][A-Z0-9_]*)\](?: \((?<hint>.*)\))?$/s;

function isCode(text: string): text is ErrorCode {
  return Object.hasOwn(CODES, text);
}

/**
 * Returns the error that a daemon of ours answered with: its code and with it the kind, its message and its hint.
 * Undefined for a success, and for words that no daemon of ours of this version writes.
 */
export function readFailure({ code: status, message: words }: Reply['status']): SealiftError | undefined {
  const { message, code = '', hint } = (status === STATUS.OK ? undefined : FAILURE.exec(words)?.groups) ?? {};
  if (message === undefined || !isCode(code)) return undefined;
  return new SealiftError(code, message, {
    context: { status },
    hint: hint ?? daemonHint({ code, hint: CODES[code].hint }),
  });
}
