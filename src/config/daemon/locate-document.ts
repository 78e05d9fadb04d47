import { locateResource } from '../../resources/index.ts';
import type { PullObstacle } from './types.ts';

interface NamedDocument {
  readonly key: string;
  readonly uri: string;
  readonly origin: string;
}

/** The file that a key names, or why nothing can be pulled: what lies elsewhere must not silently be missing. */
export function locateDocument({ key, uri, origin }: NamedDocument): string | PullObstacle {
  const location = locateResource(uri);
  if (location.kind === 'file') return location.path;
  const reason =
    location.kind === 'broker'
      ? 'a document of the key broker cannot be fetched'
      : 'expected file:// and an absolute path';
  const hint = `put the document into the guest, in initdata or its root file system, and name it in ${key} as file:///path`;
  return { code: 'CONFIG_UNSUPPORTED', key, origin, reason, hint };
}
