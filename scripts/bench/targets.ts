import { FLOOR_NAME } from './contender-floor.ts';
import { SEALIFT_NAMES } from './contender-sealift.ts';
import type { ImageKey } from './images.ts';
import type { CaseResult } from './rounds.ts';
import { summarize } from './statistics.ts';

/** The greatest share of a peer's wall time, on two cores with a local registry and results in memory. */
const RATIO_TARGETS: Readonly<Partial<Record<ImageKey, Readonly<Record<string, number>>>>> = {
  one: { 'skopeo + umoci': 0.3, podman: 0.2, 'ctr (containerd)': 0.25, [FLOOR_NAME]: 1.25 },
  zstd: { podman: 0.4 },
  four: { podman: 0.35, 'ctr (containerd)': 0.5 },
  forty: { 'ctr (containerd)': 0.5 },
};

/** The time that the verity tree may add, without and with SHA instructions. */
const TREE_TARGETS = { without: 1.6, with: 1.1 } as const;

/** Peak RSS in every case. */
export const PEAK_TARGET_BYTES = 150e6;

export interface TargetRow {
  readonly what: string;
  readonly target: number;
  readonly measured: number;
}

/** Returns every target that applies to a case, met or not. */
export function compareWithTargets(result: CaseResult, hasShaInstructions: boolean): TargetRow[] {
  const wallOf = (name: string): number | undefined =>
    summarize(result.cells.find(({ contender }) => contender === name) ?? { samples: [] })?.wall.median;
  const row = (what: string, over: number | undefined, under: number | undefined, target: number): TargetRow[] =>
    over === undefined || under === undefined ? [] : [{ what, target, measured: over / under }];
  const ours = wallOf(SEALIFT_NAMES.erofs);
  const rows = Object.entries(RATIO_TARGETS[result.image.key] ?? {}).flatMap(([peer, target]) =>
    row(`${result.image.title} / ${peer}`, ours, wallOf(peer), target),
  );
  if (result.image.key !== 'one') return rows;
  const treeTarget = hasShaInstructions ? TREE_TARGETS.with : TREE_TARGETS.without;
  return [
    ...rows,
    ...row(`${result.image.title}: with tree / without`, wallOf(SEALIFT_NAMES['erofs-verity']), ours, treeTarget),
  ];
}
