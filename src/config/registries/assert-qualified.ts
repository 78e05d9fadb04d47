import { SealiftError } from '../../errors/index.ts';
import { isShortName } from '../../oci/index.ts';
import { splitName } from './resolve-short-name.ts';
import type { Registries } from './types.ts';

const DEFAULT_SEARCH = ['docker.io'];

function isDefault(hosts: readonly string[] | undefined): boolean {
  return hosts === undefined || JSON.stringify(hosts) === JSON.stringify(DEFAULT_SEARCH);
}

/**
 * For the daemon, which takes a name without host for one of Docker Hub. Where the configuration means something else by
 * it, throws `REFERENCE_UNQUALIFIED` rather than pull another image.
 */
export function assertQualified({ searchRegistries, aliases }: Registries, text: string): void {
  if (!isShortName(text) || (isDefault(searchRegistries) && !aliases.has(splitName(text).name))) return;
  throw new SealiftError('REFERENCE_UNQUALIFIED', `reference "${text}": expected a host, got none`, {
    context: { reference: text },
    hint: 'write the host of the registry in front; search lists and aliases hold on the command line only',
  });
}
