import { parse, TomlError } from 'smol-toml';
import { SealiftError } from '../errors/index.ts';
import { parseStrictJson } from '../oci/index.ts';

function isJson(text: string, path: string): boolean {
  if (path.endsWith('.json')) return true;
  return !path.endsWith('.toml') && text.trimStart().startsWith('{');
}

/**
 * The parsers' messages quote the file, which may hold secrets, so only line, column and the first sentence are kept.
 */
export function describeSyntaxError(error: unknown): string {
  if (error instanceof TomlError) return `line ${error.line}, column ${error.column}: ${error.message.split('\n')[0]}`;
  return error instanceof Error ? error.message : String(error);
}

/** Decodes TOML or JSON, chosen by the file's ending, else by its first character. Throws `CONFIG_FILE_INVALID`. */
export function decodeDocument(text: string, path: string): unknown {
  const json = isJson(text, path);
  try {
    return json ? parseStrictJson(text) : parse(text);
  } catch (error) {
    const expected = json ? 'JSON' : 'TOML';
    const message = `configuration ${path}: expected ${expected}: ${describeSyntaxError(error)}`;
    throw new SealiftError('CONFIG_FILE_INVALID', message, { context: { path } });
  }
}
