/** The location that a URI names. */
export type ResourceLocation =
  | { readonly kind: 'file'; readonly path: string }
  /** The document itself is in the URI; Sealift makes such URIs, no user writes them. */
  | { readonly kind: 'inline'; readonly base64: string }
  /** The key broker has it. */
  | { readonly kind: 'broker' }
  | { readonly kind: 'unknown' };

/** https://www.rfc-editor.org/rfc/rfc2397 */
const INLINE = 'data:;base64,';

/** A bare absolute path, `file:///path`, `kbs:///repository/type/tag`, `kbs+<plugin>:///…` or {@link inlineUri}. */
export function locateResource(uri: string): ResourceLocation {
  const path = uri.startsWith('file://') ? uri.slice('file://'.length) : uri;
  if (path.startsWith('/') && !path.includes('\0')) return { kind: 'file', path };
  if (uri.startsWith(INLINE)) return { kind: 'inline', base64: uri.slice(INLINE.length) };
  return /^kbs(?:\+[a-z0-9-]+)?:\/\//i.test(uri) ? { kind: 'broker' } : { kind: 'unknown' };
}

/** The URI of a document whose text is known already. */
export function inlineUri(text: string): string {
  return `${INLINE}${Buffer.from(text).toString('base64')}`;
}
