/** One word of a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The names in what `sealift images --json` prints, one on a line; none of them has a quote or a comma. */
export const NAMES_OF_IMAGES = `sed 's/"names":\\[/\\n&/g' | sed -n 's/^"names":\\[\\([^]]*\\)\\].*/\\1/p' | tr -d '"' | tr ',' '\\n'`;
