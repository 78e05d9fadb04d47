import { isBrokerUri, parseBrokerUri } from './parse-broker-uri.ts';
import type { BrokerResource } from './types.ts';

/** The location that a URI names. */
export type ResourceLocation =
  | { readonly kind: 'file'; readonly path: string }
  /** The document itself is in the URI; Sealift makes such URIs, no user writes them. */
  | { readonly kind: 'inline'; readonly base64: string }
  /** The key broker has it. */
  | { readonly kind: 'broker'; readonly resource: BrokerResource }
  /** It is encrypted, and confidential-data-hub can open it. */
  | { readonly kind: 'sealed'; readonly secret: string }
  /** `expected`: what would be a location. */
  | { readonly kind: 'unknown'; readonly expected: string };

/** https://www.rfc-editor.org/rfc/rfc2397 */
const INLINE = 'data:;base64,';

/** https://github.com/confidential-containers/guest-components/blob/main/confidential-data-hub/docs/SEALED_SECRET.md */
const SEALED = /^sealed(?:\.[\w-]+){3}$/;

const BROKER_FORM = 'expected kbs:///repository/type/tag or kbs+PLUGIN:///path';
const FILE_FORM = 'expected file:// and an absolute path';

/**
 * A bare absolute path, `file:///path`, `kbs:///repository/type/tag`, `kbs+<plugin>:///…`, `sealed.…` or
 * {@link inlineUri}.
 */
export function locateResource(uri: string): ResourceLocation {
  const path = uri.startsWith('file://') ? uri.slice('file://'.length) : uri;
  if (path.startsWith('/') && !path.includes('\0')) return { kind: 'file', path };
  if (uri.startsWith(INLINE)) return { kind: 'inline', base64: uri.slice(INLINE.length) };
  if (SEALED.test(uri)) return { kind: 'sealed', secret: uri };
  if (!isBrokerUri(uri)) return { kind: 'unknown', expected: FILE_FORM };
  const resource = parseBrokerUri(uri);
  return resource === undefined ? { kind: 'unknown', expected: BROKER_FORM } : { kind: 'broker', resource };
}

/** Returns the name of a document for messages: its path or URI, never its content. */
export function nameResource(uri: string): string {
  const location = locateResource(uri);
  switch (location.kind) {
    case 'file':
      return location.path;
    case 'broker':
      return location.resource.uri;
    case 'inline':
      return 'inline';
    case 'sealed':
      return 'a sealed secret';
    default:
      return uri;
  }
}

/** The URI of a document whose text is known already. */
export function inlineUri(text: string): string {
  return `${INLINE}${Buffer.from(text).toString('base64')}`;
}
