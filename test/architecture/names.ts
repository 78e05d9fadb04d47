/** Words that had several meanings at once. Names use the exact term instead: endpoint, backing, slot, report, … */
const RETIRED_WORDS = ['place', 'places', 'shelf', 'shelves', 'turn', 'turns', 'tell', 'tells', 'teller'];

const DECLARATION =
  /(?:\b(?:interface|type|class|enum|function\*?) +|^ +(?:(?:async|static|private|get|set|readonly) +)*#?(?=[A-Za-z]+(?:<[^>]*>)?\())([A-Za-z][A-Za-z0-9]*)/gm;

/** The names of types, functions and methods that are declared in a text. */
export function declaredNames(text: string): string[] {
  return [...text.matchAll(DECLARATION)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/** `chooseHTTPPlaces` → `choose`, `http`, `places`. */
export function wordsOf(name: string): string[] {
  return name.split(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/).map((word) => word.toLowerCase());
}

export function usesRetiredWord(name: string): boolean {
  return wordsOf(name).some((word) => RETIRED_WORDS.includes(word));
}
