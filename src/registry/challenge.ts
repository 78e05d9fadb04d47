/** One way that a server offers to authenticate. */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
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

/** Reads the parameters up to the next scheme; undefined if one occurs twice, since two readers may then disagree. */
function readParameters(reader: HeaderReader): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  let unambiguous = true;
  for (;;) {
    reader.take(LIST_SPACE);
    const parameter = reader.takeParameter();
    if (parameter === undefined) return unambiguous ? parameters : undefined;
    if (parameters.has(parameter[0])) unambiguous = false;
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
    const parameters = readParameters(reader);
    if (parameters !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters });
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
