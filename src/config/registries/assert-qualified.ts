import { SealiftError } from '../../errors/index.ts';
import { isShortName } from '../../oci/index.ts';
import { splitName } from './resolve-short-name.ts';
import type { Registries } from './types.ts';

const DEFAULT_SEARCH = ['docker.io'];

function isDefault(hosts: readonly string[] | undefined): boolean {
  return hosts === undefined || JSON.stringify(hosts) === JSON.stringify(DEFAULT_SEARCH);
}

/**
 * Checks a name for the daemon, which looks for names without a host on Docker Hub. Throws `REFERENCE_UNQUALIFIED` when
 * the configuration gives such a name another meaning, so that no unintended image is pulled.
 */
export function assertQualified({ searchRegistries, aliases }: Registries, text: string): void {
  if (!isShortName(text) || (isDefault(searchRegistries) && !aliases.has(splitName(text).name))) return;
  throw new SealiftError('REFERENCE_UNQUALIFIED', `reference "${text}": expected a host, got none`, {
    context: { reference: text },
    hint: 'write the host of the registry before the name; search lists and aliases only have an effect on the command line',
  });
}
