import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

const LITERAL = String.raw`(\x60(?:[^\x60\\]|\\.)*\x60|'(?:[^'\\]|\\.)*')`;
/** A refusal with its reason and text. */
const REFUSAL = new RegExp(String.raw`(?:refuseSignature|new SignatureRefusal)\(\s*'[a-z-]+',\s*${LITERAL}`, 'gs');
/** A text that is put together before the refusal. */
const TEXT = new RegExp(String.raw`\btext\s*=\s*(?:[^;\x60']*\?\s*)?${LITERAL}`, 'gs');
/** A function of a file that puts words in front of what is wrong. */
const HELPER = /function refuse\(what: string\): never \{\s*return refuseSignature\('[a-z-]+', `([^`$]*)\$\{what\}`\);/;
/** Its calls; what was expected is said by functions of another name. */
const HELPED = new RegExp(String.raw`(?<![.\w])refuse\(\s*(?!'expected)${LITERAL}`, 'gs');

/** The text with `…` for each value in it, and `‥` for one in quotes. */
const templateOf = (literal: string) =>
  literal
    .slice(1, -1)
    .replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…')
    .replaceAll('"…"', '"‥"');

/** True if a text may be both: on the left side `…` is a word, and `‥` what has no quotes; on the right side `…` is any text. */
function canBeSame(left: string, right: string): boolean {
  const rows = Array.from({ length: left.length + 1 }, () => new Array<boolean>(right.length + 1).fill(false));
  const at = (row: number, column: number) => rows[row]?.[column] ?? false;
  for (let row = left.length; row >= 0; row -= 1) {
    for (let column = right.length; column >= 0; column -= 1) {
      const [one, other] = [left[row], right[column]];
      const isEnd = one === undefined && other === undefined;
      const isValue = one === '…' || one === '‥';
      const isPart = other !== undefined && other !== (one === '…' ? ' ' : '"');
      const isAny = isValue && (at(row + 1, column) || (isPart && at(row, column + 1)));
      const isAnyToo = other === '…' && (at(row, column + 1) || (one !== undefined && at(row + 1, column)));
      const isEqual = one !== undefined && one === other && at(row + 1, column + 1);
      const cells = rows[row];
      if (cells !== undefined) cells[column] = isEnd || isAny || isAnyToo || isEqual;
    }
  }
  return at(0, 0);
}

/** A check that hangs or crashes is no denial, and has a paragraph. */
const isOfChecks = (path: string) => !path.includes('/policy') && !path.endsWith('/create-signature-verifier.ts');

const read = (path: string): string => readFileSync(join(PROJECT_ROOT, path), 'utf8');

describe('the reasons why a signature does not count', () => {
  const paths = listFiles('src/signature').filter(isOfChecks);
  const [, section = ''] = read('docs/policy.md').split('## When an image is denied\n');
  const [table = ''] = section.split('\n## ');
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const documented = rows
    .flatMap((line) => [...(line.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, text = '']) => text))
    // One word says too little to be compared.
    .filter((text) => text.includes(' '))
    .map((text) => `…${text}…`);
  const texts = paths.flatMap((path) => {
    const text = read(path);
    const whole = [...text.matchAll(REFUSAL), ...text.matchAll(TEXT)].map(([, literal = '']) => templateOf(literal));
    const [, words] = HELPER.exec(text) ?? [];
    const helped =
      words === undefined ? [] : [...text.matchAll(HELPED)].map(([, literal = '']) => `${words}${templateOf(literal)}`);
    return [...whole.filter((each) => each !== `${words}…`), ...helped].map((each) => [each, path] as const);
  });

  it('are found, and compared', () => {
    expect(texts.length).toBeGreaterThan(80);
    expect(documented.length).toBeGreaterThan(80);
    expect(canBeSame('its key … expired at …', '…key … expired…')).toBe(true);
    expect(canBeSame('it is for …, not for this', '…it is for sha256:…, not for this…')).toBe(true);
    expect(canBeSame('it has no bytes', '…it has no byte')).toBe(false);
    expect(canBeSame('it has …', '…it is encrypted…')).toBe(false);
  });

  it.each(texts)('"%s" (%s) has a row in docs/policy.md', (text) => {
    expect(documented.some((row) => canBeSame(text, row))).toBe(true);
  });
});
