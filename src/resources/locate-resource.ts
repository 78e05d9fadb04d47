/** Where a document of the configuration lies. */
export type ResourceLocation =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'broker' }
  | { readonly kind: 'unknown' };

/** A bare absolute path, `file:///path`, `kbs:///repository/type/tag` or `kbs+<plugin>:///…`. */
export function locateResource(uri: string): ResourceLocation {
  const path = uri.startsWith('file://') ? uri.slice('file://'.length) : uri;
  if (path.startsWith('/') && !path.includes('\0')) return { kind: 'file', path };
  return /^kbs(?:\+[a-z0-9-]+)?:\/\//i.test(uri) ? { kind: 'broker' } : { kind: 'unknown' };
}
