import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

/** Licences of packages without a licence file: Apache-2.0 is Sealift's own text, the others are in the sources. */
const TEXTS_ELSEWHERE: Readonly<Record<string, (folder: string) => readonly string[]>> = {
  '@bufbuild/protobuf': (folder) => [
    readFileSync(new URL('../../LICENSE', import.meta.url), 'utf8'),
    leadingComment(join(folder, 'dist/esm/wire/varint.js')),
  ],
};

export interface Licence {
  readonly title: string;
  readonly identifier: string;
  readonly texts: readonly string[];
}

/**
 * The licences of what the archive holds beside Sealift's own code: npm packages, and others. A package without a text
 * of its own is an error.
 */
export function formatLicences(packages: readonly string[], others: readonly Licence[] = []): string {
  const licences = [...packages.map(readLicence), ...others].sort((a, b) => (a.title < b.title ? -1 : 1));
  const rows = licences.map(({ title, identifier }) => `| ${title} | ${identifier} |`);
  return [
    '# Licences',
    '',
    'Sealift is under Apache-2.0, see LICENSE. `lib` also holds these packages, whole or in part, each under its own',
    'licence. The Node program brings libraries of its own; its text below has their licences.',
    '',
    '| package | licence |',
    '|---|---|',
    ...rows,
    ...licences.flatMap(({ title, texts }) => ['', `## ${title}`, ...texts.flatMap(formatText)]),
    '',
  ].join('\n');
}

/** Indents a text, so that no part of it is markup. */
function formatText(text: string): string[] {
  const lines = text.replaceAll('\r\n', '\n').trimEnd().split('\n');
  return ['', ...lines.map((line) => (line === '' ? '' : `    ${line}`))];
}

function readLicence(folder: string): Licence {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder).filter((file) => LICENCE_FILE.test(file));
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8'));
  if (texts.length === 0) texts.push(...(TEXTS_ELSEWHERE[manifest.name]?.(folder) ?? []));
  if (texts.length === 0) throw new Error(`${folder} has no licence text: add it, or do not ship the package`);
  return {
    title: `${manifest.name} ${manifest.version}`,
    identifier: String(manifest.license ?? 'see the text'),
    texts,
  };
}

/** Returns the comment at the beginning of a source file. */
function leadingComment(path: string): string {
  const lines = readFileSync(path, 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n');
}
