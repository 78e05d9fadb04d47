import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type CollectGarbage = (options: { readonly type: 'minor' | 'major'; readonly flavor?: 'last-resort' }) => void;

let collect: CollectGarbage | undefined;

/**
 * The flag is one of the process, and V8 refuses code caches while it is set. Another thread may take it back before this
 * one has made its context, which then lacks the function.
 */
function collector(): CollectGarbage {
  while (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('globalThis.gc') as CollectGarbage | undefined;
    setFlagsFromString('--no-expose-gc');
  }
  return collect;
}

/** Frees buffers of streams: small objects with large memory outside the heap. V8 alone lets 30 MB of them pile up. */
export function collectYoungGarbage(): void {
  collector()({ type: 'minor' });
}

/** Frees large data that is no longer used; without this it would stay until the heap has doubled. */
export function collectAllGarbage(): void {
  collector()({ type: 'major' });
}

/** Collects as if memory had run out, which also returns empty pages of the heap to the system. */
export function collectLastGarbage(): void {
  collector()({ type: 'major', flavor: 'last-resort' });
}
