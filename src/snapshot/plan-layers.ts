import type { ByteString } from '../bytes/index.ts';
import { type PathFacts, type PathFactsFile, readFacts } from '../layer-facts/index.ts';
import { PlanMemory, PlanSteps } from '../limits/index.ts';
import { openLayerNodes } from './layer-directory.ts';
import { LayerStack, PathsToFind } from './layer-stack.ts';
import { countNames } from './path.ts';
import { planChain } from './plan-chain.ts';
import { readLink } from './read-link.ts';
import type { LayersPlan, LayersToPlan } from './types.ts';

/** See {@link SnapshotOperations.planLayers}. */
export function planLayers({ layers, from, steps: budget, maxPlanBytes }: LayersToPlan): LayersPlan {
  const steps = new PlanSteps(budget);
  const inQuestion = layers.map(({ facts }, position) => (position < from ? undefined : readCounted(facts, steps)));
  const stack = new LayerStack(pathsOf(inQuestion, new PlanMemory({ maxPlanBytes })));
  const below = {
    lookup: (path: ByteString) => {
      steps.take(countNames(path));
      const node = stack.find(path);
      if (node?.kind !== 'symlink') return node && { type: node.kind };
      return { type: node.kind, target: readLink(layers[node.layer]?.directory ?? '', path) };
    },
  };
  for (const [position, { directory }] of layers.entries()) {
    const facts = inQuestion[position];
    if (facts !== undefined) {
      const plan = planChain({ ...facts, unresolvedLinks: [] }, below);
      if (plan.kind === 'needs-chain') {
        return { kind: plan.kind, position, reasons: plan.reasons, steps: steps.taken };
      }
    }
    // Nothing is asked about what the topmost layer shows.
    if (position < layers.length - 1) stack.add(openLayerNodes(directory, steps));
  }
  return { kind: 'independent', steps: steps.taken };
}

/**
 * Reads the facts of a layer. Each name in them is a step: the facts of one image are bounded, but they are read again for
 * each layer below that needs a chain.
 */
function readCounted(file: PathFactsFile | undefined, steps: PlanSteps): PathFacts | undefined {
  if (file === undefined) return undefined;
  const facts = readFacts(file);
  for (const { path } of facts.implied) steps.take(countNames(path));
  for (const path of facts.traversed) steps.take(countNames(path));
  for (const path of facts.marked) steps.take(countNames(path));
  return facts;
}

/** Returns the paths at which these layers were written as if there was a directory or nothing below. */
function pathsOf(layers: readonly (PathFacts | undefined)[], memory: PlanMemory): PathsToFind {
  const paths = new PathsToFind(memory);
  for (const { implied, traversed, marked } of layers.filter((facts) => facts !== undefined)) {
    for (const { path, cut } of implied) if (!cut) paths.add(path);
    for (const path of traversed) paths.add(path);
    for (const path of marked) paths.add(path);
  }
  return paths;
}
