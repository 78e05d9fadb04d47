import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type CollectGarbage = (options: { readonly type: 'minor' | 'major' }) => void;

let collect: CollectGarbage | undefined;

function collector(): CollectGarbage {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as CollectGarbage;
  }
  return collect;
}

/** Receive buffers are small objects with large memory outside the heap; left alone, V8 lets 30 MB of them pile up. */
export function collectYoungGarbage(): void {
  collector()({ type: 'minor' });
}

/** After a layer of many entries: what the writer remembered of them would stay until the heap has doubled. */
export function collectAllGarbage(): void {
  collector()({ type: 'major' });
}
