import { existsSync, readdirSync } from 'node:fs';

/** Every path in a store, relative to it, locks aside: they are empty files that stay. */
export function listStore(store: string): string[] {
  if (!existsSync(store)) return [];
  return readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/(?:^|\/)lock(?:\/|$)/.test(path))
    .sort();
}

/** Layers that a lookup could find, and work that was left half done. */
export function findRemains(store: string): { readonly layers: string[]; readonly unfinished: string[] } {
  const paths = listStore(store);
  return {
    layers: paths.filter((path) => /(?:^|\/)layers\/[^/]+$/.test(path)),
    unfinished: paths.filter((path) => /(?:^|\/)(?:staging|trash|uppers)\/[^/]+$/.test(path) || path.endsWith('.tmp')),
  };
}
