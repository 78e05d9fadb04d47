/** One way that a server offers to authenticate. */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
  /** A parameter that occurs twice. Two readers may then disagree, so the challenge must not be answered. */
  readonly repeated?: string;
}

const LIST_SPACE = /[ \t,]*/y;
const SPACE = /[ \t]*/y;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

class HeaderReader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  /** Returns the match of a sticky pattern at the current position and moves past it; undefined if there is none. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#position = pattern.lastIndex;
    return match[1] ?? match[0];
  }

  /** Reads `name = value`; does not move if there is none. */
  takeParameter(): [name: string, value: string] | undefined {
    const start = this.#position;
    const name = this.take(TOKEN);
    if (name !== undefined && this.take(EQUALS) !== undefined) {
      const value = this.take(QUOTED)?.replace(/\\(.)/g, '$1') ?? this.take(TOKEN);
      if (value !== undefined) return [name.toLowerCase(), value];
    }
    this.#position = start;
    return undefined;
  }
}

/** Reads the parameters up to the next scheme. */
function readParameters(reader: HeaderReader): Omit<Challenge, 'scheme'> {
  const parameters = new Map<string, string>();
  let repeated: string | undefined;
  for (;;) {
    reader.take(LIST_SPACE);
    const parameter = reader.takeParameter();
    if (parameter === undefined) return repeated === undefined ? { parameters } : { parameters, repeated };
    if (parameters.has(parameter[0])) repeated ??= parameter[0];
    parameters.set(...parameter);
  }
}

function readHeader(rawHeader: string): Challenge[] {
  const reader = new HeaderReader(rawHeader);
  const challenges: Challenge[] = [];
  reader.take(LIST_SPACE);
  while (!reader.atEnd) {
    const scheme = reader.take(TOKEN);
    // What cannot be read ends the header; what came before still counts.
    if (scheme === undefined) break;
    reader.take(SPACE);
    reader.take(TOKEN68);
    challenges.push({ scheme: scheme.toLowerCase(), ...readParameters(reader) });
  }
  return challenges;
}

/**
 * Reads all challenges of all WWW-Authenticate headers, in order. Never throws: malformed challenges are ignored.
 * https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export function parseChallenges(rawHeaders: readonly string[]): readonly Challenge[] {
  return rawHeaders.flatMap(readHeader);
}
