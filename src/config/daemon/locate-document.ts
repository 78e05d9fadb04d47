import { SealiftError } from '../../errors/index.ts';
import { locateResource } from '../../resources/index.ts';
import type { DaemonConfiguration, KeyBrokerSettings, PullObstacle } from './types.ts';

interface NamedDocument {
  readonly key: string;
  readonly uri: string;
  readonly origin: string;
}

/**
 * Returns the path of the file, or the URI of the document of the key broker, that a key names. A document at any other
 * location, and one of a key broker that cannot be asked, is an obstacle to pulls and not ignored.
 */
export function locateDocument(document: NamedDocument, broker: KeyBrokerSettings): string | PullObstacle {
  const location = locateResource(document.uri);
  switch (location.kind) {
    case 'file':
      return location.path;
    case 'broker':
      return broker.kind === 'none' ? withoutBroker(document, broker) : location.resource.uri;
    case 'sealed':
      return broker.kind === 'hub'
        ? location.secret
        : unsupported(document, 'a sealed secret needs api.passthrough_socket');
    case 'unknown':
      return unsupported(document, location.expected);
    default:
      return unsupported(document, 'expected file:// and an absolute path');
  }
}

function unsupported({ key, origin }: NamedDocument, reason: string): PullObstacle {
  return { code: 'CONFIG_UNSUPPORTED', key, origin, reason, hint: useFile(key) };
}

function withoutBroker(
  { key, origin }: NamedDocument,
  { code, reason, hint }: Extract<KeyBrokerSettings, { kind: 'none' }>,
): PullObstacle {
  return { code, key, origin, reason, hint: `${hint}; or ${useFile(key)}` };
}

function useFile(key: string): string {
  return `put the document into the guest, in initdata or its root file system, and name it in ${key} as file:///path`;
}

/** Returns the error of every pull if the configuration has a setting that cannot be honoured; otherwise undefined. */
export function obstacleError({ pullObstacles }: Pick<DaemonConfiguration, 'pullObstacles'>): SealiftError | undefined {
  const [first, ...others] = pullObstacles;
  if (first === undefined) return undefined;
  const { code, key, origin, reason, hint } = first;
  const more = others.length === 0 ? '' : ` (and ${others.map((other) => other.key).join(', ')})`;
  return new SealiftError(code, `${origin}: ${key}: ${reason}${more}`, { hint, context: { key, origin } });
}
