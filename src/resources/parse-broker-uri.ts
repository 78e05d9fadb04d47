import type { BrokerResource } from './types.ts';

/** A longer URI names nothing that a key broker could have. */
const MAX_LENGTH = 4096;

/** The host is ignored, as by confidential-data-hub: the configuration says which key broker is asked. */
const URI = /^kbs(?:\+(?<plugin>[a-z0-9][a-z0-9.-]*))?:\/\/[^/?#@\s]*\/(?<path>[^?#]*)(?:\?(?<query>[^#]*))?$/i;

/**
 * A segment of a path. Text that a server could read as another path is refused: dots, slashes, percent signs and control
 * characters in percent encoding, and any character that a URL does not have as it is.
 * https://www.rfc-editor.org/rfc/rfc3986#section-3.3
 */
const SEGMENT = /^(?!\.{1,2}$)(?:[\w.~!$&'()*+,;=:@-]|%(?!2[ef5]|5c|7f|[01])[0-9a-f]{2})+$/i;
const QUERY = /^(?:[\w.~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*$/i;

const DEFAULT_PLUGIN = 'resource';
/** The plugin `resource` has a repository, a type and a tag. The paths of other plugins may have any depth. */
const RESOURCE_SEGMENTS = 3;

/** True for a text that is meant as the URI of a resource, well formed or not. */
export function isBrokerUri(uri: string): boolean {
  return /^kbs(?:\+[^:/]*)?:\/\//i.test(uri);
}

/**
 * Parses `kbs:///repository/type/tag` or `kbs+<plugin>://host/path?query`; undefined for any other text.
 * https://github.com/confidential-containers/guest-components/blob/main/attestation-agent/docs/RESOURCE_URI.md
 */
export function parseBrokerUri(uri: string): BrokerResource | undefined {
  if (uri.length > MAX_LENGTH) return undefined;
  const { plugin: written, path, query } = URI.exec(uri)?.groups ?? {};
  if (path === undefined) return undefined;
  const plugin = (written ?? DEFAULT_PLUGIN).toLowerCase();
  const segments = path.split('/');
  if (!segments.every((segment) => SEGMENT.test(segment))) return undefined;
  if (plugin === DEFAULT_PLUGIN && segments.length !== RESOURCE_SEGMENTS) return undefined;
  if (query !== undefined && !QUERY.test(query)) return undefined;
  const scheme = plugin === DEFAULT_PLUGIN ? 'kbs' : `kbs+${plugin}`;
  return { plugin, path, query, uri: `${scheme}:///${path}${query === undefined ? '' : `?${query}`}` };
}
