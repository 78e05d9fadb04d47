import { readFacts } from '../layer-facts/index.ts';
import { PlanSteps } from '../limits/index.ts';
import { openLayerNodes } from './layer-directory.ts';
import { LayerStack, PathsToFind } from './layer-stack.ts';
import { planChain } from './plan-chain.ts';
import { readLink } from './read-link.ts';
import type { LayersPlan, LayersToPlan } from './types.ts';

/** A layer may have a reason for each of its directories; a few say enough. */
const MAX_REASONS = 8;

/** See {@link SnapshotOperations.planLayers}. */
export function planLayers({ layers, from, steps: budget }: LayersToPlan): LayersPlan {
  const steps = new PlanSteps(budget);
  const stack = new LayerStack(pathsOf(layers.slice(from)));
  const below = {
    lookup: (path: Parameters<LayerStack['find']>[0]) => {
      const node = stack.find(path);
      if (node?.kind !== 'symlink') return node && { type: node.kind };
      return { type: node.kind, target: readLink(layers[node.layer]?.directory ?? '', path) };
    },
  };
  for (const [position, { directory, facts }] of layers.entries()) {
    if (position >= from && facts !== undefined) {
      const plan = planChain({ ...readFacts(facts), unresolvedLinks: [] }, below);
      if (plan.kind === 'needs-chain') {
        return { kind: plan.kind, position, reasons: plan.reasons.slice(0, MAX_REASONS), steps: steps.taken };
      }
    }
    // Nothing is asked about what the topmost layer shows.
    if (position < layers.length - 1) stack.add(openLayerNodes(directory, steps));
  }
  return { kind: 'independent', steps: steps.taken };
}

/** Returns the paths at which these layers were written as if there was a directory or nothing below. */
function pathsOf(layers: LayersToPlan['layers']): PathsToFind {
  const paths = new PathsToFind();
  for (const { facts } of layers) {
    const { implied, traversed, marked } = readFacts(facts);
    for (const { path, cut } of implied) if (!cut) paths.add(path);
    for (const path of traversed) paths.add(path);
    for (const path of marked) paths.add(path);
  }
  return paths;
}
