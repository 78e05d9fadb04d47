import { posix } from 'node:path';
import type { SourceFile } from './source-files.ts';

const STATEMENT = /^(import|export)( type)? \{([^}]*)\} from '([^']+)';/gm;
const DYNAMIC = /import\('([^']+)'\)/g;

/** Names that a file takes from another file of the project. */
interface NamedImport {
  readonly target: string;
  readonly names: readonly string[];
}

/** The names in `{ a, type B, c as d }` before they are renamed. */
function namesIn(list: string): string[] {
  return list
    .split(',')
    .map(
      (entry) =>
        entry
          .trim()
          .replace(/^type /, '')
          .split(' as ')[0] ?? '',
    )
    .filter((name) => name !== '');
}

function resolveTarget(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

/** Names that `index` exports; every export of an index names its source file. */
function exportedNames({ text }: SourceFile): string[] {
  return [...text.matchAll(STATEMENT)].flatMap(([, keyword, , list = '']) =>
    keyword === 'export' ? namesIn(list) : [],
  );
}

function namedImports({ path, text }: SourceFile): NamedImport[] {
  return [...text.matchAll(STATEMENT)].map(([, , , list = '', specifier = '']) => ({
    target: resolveTarget(path, specifier),
    names: namesIn(list),
  }));
}

/** Files that `source` loads when it needs them. */
function dynamicTargets({ path, text }: SourceFile): string[] {
  return [...text.matchAll(DYNAMIC)].map(([, specifier = '']) => resolveTarget(path, specifier));
}

/** Exports of the index at `index.path` that no file outside its folder imports. */
export function unusedExports(index: SourceFile, files: readonly SourceFile[]): string[] {
  const folder = posix.dirname(index.path);
  const outside = files.filter(({ path }) => !path.startsWith(`${folder}/`));
  const used = new Set(
    outside.flatMap(namedImports).flatMap(({ target, names }) => (target === index.path ? names : [])),
  );
  const loaders = outside.filter((file) => dynamicTargets(file).includes(index.path));
  return exportedNames(index).filter(
    (name) => !used.has(name) && !loaders.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text)),
  );
}
