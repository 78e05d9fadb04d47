import { opendirSync } from 'node:fs';
import type { ByteString } from '../bytes/index.ts';
import type { PlanSteps } from '../limits/index.ts';
import { isOpaqueDirectory, layerNode, listedNode } from './layer-node.ts';
import type { LayerNodes, NamesToFind } from './layer-stack.ts';
import { childPath } from './path.ts';
import { reachInside } from './reach-inside.ts';

/** Up to this many names are looked up one by one; for more, a listing of the directory is cheaper. */
const FEW_NAMES = 16;
const LISTED = { encoding: 'latin1', bufferSize: 1024 } as const;

/** Reads the tree of a published layer, in overlay form. Each name that is looked at is a step. */
export function openLayerNodes(layer: string, steps: PlanSteps): LayerNodes {
  return {
    isOpaque: (path) => isOpaqueDirectory(layer, path),
    children: (directory, names) => {
      if (names.size > FEW_NAMES) return listNames(layer, { directory, names, steps });
      const found: [ByteString, ReturnType<typeof layerNode>][] = [];
      for (const name of names.keys()) {
        steps.take();
        const kind = layerNode(layer, childPath(directory, name));
        if (kind !== 'absent') found.push([name, kind]);
      }
      return found;
    },
  };
}

interface Listing {
  readonly directory: ByteString;
  readonly names: NamesToFind;
  readonly steps: PlanSteps;
}

/** Reads the directory piece by piece: it may have millions of entries. Names in Latin-1 are byte strings. */
function listNames(layer: string, { directory, names, steps }: Listing): ReturnType<LayerNodes['children']> {
  const found: [ByteString, ReturnType<typeof layerNode>][] = [];
  const listing = reachInside(layer, directory, (at) => opendirSync(at, LISTED));
  try {
    for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
      steps.take();
      const name = entry.name as ByteString;
      if (names.has(name)) found.push([name, listedNode(layer, childPath(directory, name), entry)]);
    }
  } finally {
    listing.closeSync();
  }
  return found;
}
