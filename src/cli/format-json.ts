/** JSON escapes control characters below U+0020 only; the rest could still drive a terminal. */
function escapeForTerminal(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** One document and a newline. `indent` is the number of spaces a level; 0 writes a single line. */
export function formatJson(value: unknown, indent = 0): string {
  return `${escapeForTerminal(JSON.stringify(value, undefined, indent))}\n`;
}
