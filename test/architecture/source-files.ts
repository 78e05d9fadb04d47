import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { init, parse } from 'es-module-lexer';

export const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface ImportStatement {
  /** The specifier as written. */
  readonly specifier: string;
  /** Path from the project root for a relative import, otherwise undefined. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From the project root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without types and comments, for searching; positions do not matter. */
  readonly code: string;
  readonly imports: readonly ImportStatement[];
  readonly hasDefaultExport: boolean;
  readonly hasStarExport: boolean;
}

const TYPE_IMPORT = /^(?:import|export) type [^;]*? from '([^']+)';/gm;

/** Every `.ts` file below `folder` (from the project root), in order. */
export function listFiles(folder: string, ending = '.ts'): string[] {
  const entries = readdirSync(join(PROJECT_ROOT, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => posix.join(posix.relative(PROJECT_ROOT, entry.parentPath), entry.name))
    .sort();
}

export async function loadSources(folder: string): Promise<SourceFile[]> {
  await init;
  return listFiles(folder).map(loadSource);
}

function loadSource(path: string): SourceFile {
  const text = readFileSync(join(PROJECT_ROOT, path), 'utf8');
  const stripped = stripTypes(path, text);
  const [imports] = parse(stripped, path);
  const values = imports.flatMap(({ specifier }) => (specifier ? [toStatement(path, specifier, false)] : []));
  const types = [...text.matchAll(TYPE_IMPORT)].map(([, specifier = '']) => toStatement(path, specifier, true));
  return {
    path,
    text,
    code: withoutComments(stripped),
    imports: [...values, ...types],
    hasDefaultExport: /^export default\b|\bas default\b/m.test(stripped),
    hasStarExport: /^export \*/m.test(stripped),
  };
}

function stripTypes(path: string, text: string): string {
  try {
    return stripTypeScriptTypes(text);
  } catch (cause) {
    throw new Error(`${path} is no TypeScript that Node can run`, { cause });
  }
}

function toStatement(path: string, specifier: string, typeOnly: boolean): ImportStatement {
  const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
  return { specifier, target, typeOnly };
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
