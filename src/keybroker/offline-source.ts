import { SealiftError } from '../errors/index.ts';
import { createResourceLoader, loadIfPresent } from '../resources/index.ts';
import { answerInvalid, assertResourceSize, decodeExactly, parseSecretJson } from './read-answer.ts';
import type { BrokerLimits, BrokerSource } from './types.ts';

/**
 * Takes resources from files of the guest: JSON objects with `repository/type/tag` and the resource in base64. A later
 * file overrides an earlier one, and a file need not exist.
 * https://github.com/confidential-containers/guest-components/blob/main/confidential-data-hub/hub/src/kms/plugins/kbs/offline_fs.rs
 */
export function createOfflineSource(paths: readonly string[], limits: BrokerLimits): BrokerSource {
  return {
    isRemote: false,
    fetchResource: async ({ plugin, path: name, uri }, { signal }) => {
      const loaded =
        plugin === 'resource' ? await Promise.all(paths.map((path) => loadEntries(path, limits, signal))) : [];
      const found = loaded.flatMap((entries) => (entries?.has(name) ? [entries.get(name)] : [])).at(-1);
      if (found !== undefined) return assertResourceSize(found, uri, limits);
      const where = plugin === 'resource' ? `in none of ${paths.join(', ')}` : 'offline_fs_kbc has no plugins';
      throw new SealiftError('KEYBROKER_RESOURCE_UNKNOWN', `${uri}: ${where}`);
    },
  };
}

type Entries = ReadonlyMap<string, Uint8Array>;

/** Undefined: there is no such file. One faulty entry makes the file invalid, as for confidential-data-hub. */
async function loadEntries(path: string, limits: BrokerLimits, signal: AbortSignal): Promise<Entries | undefined> {
  const raw = await loadIfPresent(createResourceLoader(), path, {
    what: 'offline resources',
    maxBytes: limits.maxOfflineResourcesBytes,
    limit: 'maxOfflineResourcesBytes',
    code: 'KEYBROKER_ANSWER_INVALID',
    regularOnly: true,
    signal,
  });
  if (raw === undefined) return undefined;
  const subject = `offline resources ${path}`;
  const entries = Object.entries(parseSecretJson(raw, subject));
  return new Map(
    entries.map(([name, encoded]) => {
      const bytes = decodeExactly(encoded, 'base64');
      if (bytes === undefined) throw answerInvalid(subject, `expected base64 in each member`);
      return [name, bytes];
    }),
  );
}
