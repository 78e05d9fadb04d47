const COMMENT = /\/\*\*?[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm;
const PERSONS = /\b(?:nobody|somebody|anybody|whoever|everybody|someone|anyone)\b/i;
/** A sentence begins at the start of a comment or after a full stop. */
const FRAGMENT = /(?:^|[.!?]\s+)Of\s/;

/** The comments of a text, without their marks and line breaks. */
export function commentsOf(text: string): string[] {
  return [...text.matchAll(COMMENT)].map(([comment]) =>
    comment
      .replace(/^\/\/|^\/\*+|\*+\/$/g, '')
      .replace(/\n\s*\*?\s*/g, ' ')
      .trim(),
  );
}

export function beginsWithOf(text: string): boolean {
  return FRAGMENT.test(text);
}

/** Components have names; they are not persons. */
export function namesPersons(text: string): boolean {
  return PERSONS.test(text);
}
