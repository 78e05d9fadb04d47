import { SealiftError } from '../../errors/index.ts';
import { formatRepositoryName, isReferenceDomain, isShortName, parseReference } from '../../oci/index.ts';
import { registriesInvalid } from './registries-invalid.ts';

function isNameOnly(text: string): boolean {
  try {
    const { tag, digest } = parseReference(text);
    return tag === undefined && digest === undefined;
  } catch (error) {
    if (error instanceof SealiftError) return false;
    throw error;
  }
}

/** Returns a map from short names to full names. An empty value removes the alias of an earlier file. */
export function parseAliases(
  table: Readonly<Record<string, string>>,
  origin: string,
): ReadonlyMap<string, string | undefined> {
  return new Map(
    Object.entries(table).map(([name, value]) => {
      if (!isNameOnly(name) || !isShortName(name)) {
        throw registriesInvalid(origin, `alias "${name}": expected a name without host, tag and digest`);
      }
      if (value === '') return [name, undefined];
      if (!isNameOnly(value) || isShortName(value)) {
        throw registriesInvalid(origin, `alias "${name}": expected a name with host and without tag and digest`);
      }
      return [name, formatRepositoryName(parseReference(value))];
    }),
  );
}

export function parseSearchRegistries(
  hosts: readonly string[] | undefined,
  origin: string,
): readonly string[] | undefined {
  return hosts?.map((host) => {
    const trimmed = host.replace(/\/+$/, '');
    if (isReferenceDomain(trimmed)) return trimmed;
    throw registriesInvalid(origin, `unqualified-search-registries "${host}": expected host[:port]`);
  });
}
