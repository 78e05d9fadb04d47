import { SealiftError } from '../../errors/index.ts';
import { formatReference, isShortName, parseReference } from '../../oci/index.ts';
import type { Registries } from './types.ts';

/** Splits a reference into its name and the rest: tag and digest with their separators. */
export function splitName(text: string): { readonly name: string; readonly suffix: string } {
  const slash = text.lastIndexOf('/', text.includes('@') ? text.indexOf('@') : text.length);
  const end = text.slice(slash + 1).search(/[:@]/);
  if (end < 0) return { name: text, suffix: '' };
  return { name: text.slice(0, slash + 1 + end), suffix: text.slice(slash + 1 + end) };
}

function refuse(text: string, problem: string): never {
  throw new SealiftError('REFERENCE_UNQUALIFIED', `reference "${text}": ${problem}`, { context: { reference: text } });
}

/**
 * Returns the full names that a name stands for, in the order of trying: the name itself, if it has a host; its alias;
 * or the name at each search registry. The user is not asked and no choice is remembered: in the mode `enforcing` a
 * choice is refused. Throws `REFERENCE_UNQUALIFIED` and `REFERENCE_INVALID`.
 * https://github.com/containers/image/blob/v5.36.2/docs/containers-registries.conf.5.md#short-name-aliasing
 */
export function resolveShortName(registries: Registries, text: string): readonly string[] {
  parseReference(text);
  if (!isShortName(text)) return [text];
  const { name, suffix } = splitName(text);
  const alias = registries.aliases.get(name);
  if (alias !== undefined) return [formatReference(parseReference(`${alias}${suffix}`))];
  const { searchRegistries, shortNameMode } = registries;
  // Without any configuration, a short name is looked for on Docker Hub.
  if (searchRegistries === undefined) return [text];
  if (searchRegistries.length === 0) refuse(text, 'expected a host, because unqualified-search-registries is empty');
  if (searchRegistries.length > 1 && shortNameMode === 'enforcing') {
    refuse(text, `expected a host, got a choice of ${searchRegistries.length} search registries`);
  }
  return searchRegistries.map((host) => formatReference(parseReference(`${host}/${text}`)));
}
