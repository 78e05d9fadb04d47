import { SealiftError } from '../../errors/index.ts';
import { locateResource } from '../../resources/index.ts';
import type { DaemonConfiguration, PullObstacle } from './types.ts';

interface NamedDocument {
  readonly key: string;
  readonly uri: string;
  readonly origin: string;
}

/**
 * Returns the path of the file that a key names. A document at any other location is an obstacle to pulls, not ignored.
 */
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

/** Returns the error of every pull if the configuration has a setting that cannot be honoured; otherwise undefined. */
export function obstacleError({ pullObstacles }: Pick<DaemonConfiguration, 'pullObstacles'>): SealiftError | undefined {
  const [first, ...others] = pullObstacles;
  if (first === undefined) return undefined;
  const { code, key, origin, reason, hint } = first;
  const more = others.length === 0 ? '' : ` (and ${others.map((other) => other.key).join(', ')})`;
  return new SealiftError(code, `${origin}: ${key}: ${reason}${more}`, { hint, context: { key, origin } });
}
