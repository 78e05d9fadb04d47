/** Quotes one word for a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Prints the names from the output of `sealift images --json`, one on a line. No name has a quote or a comma in it. */
export const NAMES_OF_IMAGES = `sed 's/"names":\\[/\\n&/g' | sed -n 's/^"names":\\[\\([^]]*\\)\\].*/\\1/p' | tr -d '"' | tr ',' '\\n'`;
