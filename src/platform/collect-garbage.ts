import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type CollectGarbage = (options: { readonly type: 'minor' | 'major'; readonly flavor?: 'last-resort' }) => void;

let collect: CollectGarbage | undefined;

function collector(): CollectGarbage {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as CollectGarbage;
  }
  return collect;
}

/** Buffers of streams are small objects with large memory outside the heap; left alone, V8 lets 30 MB of them pile up. */
export function collectYoungGarbage(): void {
  collector()({ type: 'minor' });
}

/** After much was remembered, and forgotten again: it would stay until the heap has doubled. */
export function collectAllGarbage(): void {
  collector()({ type: 'major' });
}

/** As if memory had run out: pages of the heap that hold nothing go back to the system, too. */
export function collectLastGarbage(): void {
  collector()({ type: 'major', flavor: 'last-resort' });
}
