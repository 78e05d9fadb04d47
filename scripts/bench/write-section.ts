import { readFileSync, writeFileSync } from 'node:fs';

/** Replaces the text between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; the rest of the document stays as it is. */
export function writeSection(path: string, name: string, text: string): void {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const document = readFileSync(path, 'utf8');
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${path}: expected ${begin} and, behind it, ${end}`);
  const [before, after] = [document.slice(0, from + begin.length), document.slice(to)];
  writeFileSync(path, `${before}\n\n${text.trim()}\n\n${after}`);
}
