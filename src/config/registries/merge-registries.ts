import { NO_REGISTRIES, type Registries, type RegistriesDocument } from './types.ts';

function mergeTwo(earlier: Registries, later: RegistriesDocument): Registries {
  const rules = new Map(earlier.rules.map((rule) => [rule.prefix, rule]));
  for (const rule of later.rules) rules.set(rule.prefix, rule);
  const aliases = new Map(earlier.aliases);
  for (const [name, value] of later.aliases) {
    if (value === undefined) aliases.delete(name);
    else aliases.set(name, value);
  }
  return {
    rules: [...rules.values()],
    searchRegistries: later.searchRegistries ?? earlier.searchRegistries,
    shortNameMode: later.shortNameMode ?? earlier.shortNameMode,
    aliases,
  };
}

/**
 * Merges the file and its drop-ins in their order: a later rule replaces an earlier one with the same prefix, lists are
 * replaced, aliases are added. containers-registries.conf.d(5)
 */
export function mergeRegistries(documents: readonly RegistriesDocument[]): Registries {
  return documents.reduce(mergeTwo, NO_REGISTRIES);
}
