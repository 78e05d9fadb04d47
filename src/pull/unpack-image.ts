import { prefixError } from '../errors/index.ts';
import type { WorkerHandle } from '../layer/index.ts';
import type { ImageLayer } from '../oci/index.ts';
import type { LayerFacts } from '../unpack/index.ts';
import type { PullOutcome } from './describe-pull.ts';
import { droppedWarnings } from './dropped-warnings.ts';
import { layerJob } from './layer-job.ts';
import type { PullPorts } from './ports.ts';
import { type PreparedImage, prepareImage } from './prepare-image.ts';
import { type StagedTree, stageTree } from './stage-tree.ts';

/**
 * Unpacks an image into one plain directory: the layers in order through one writer, which keeps what it made in mind,
 * so that whiteouts delete. DIR is absent or empty, and appears whole or not at all. Works without root, with losses.
 */
export async function unpackImage(
  unsafeReference: string,
  directory: string,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<PullOutcome> {
  const tree = stageTree(directory);
  try {
    const prepared = await prepareImage(unsafeReference, ports, undefined, signal);
    ports.onProgress({ type: 'stage', stage: 'layers' });
    const facts = await applyLayers(prepared, tree, ports, signal);
    tree.publish();
    const warnings = droppedWarnings(facts);
    const fetches = new Map(prepared.layers.map(({ descriptor }) => [descriptor.digest, 1]));
    return { prepared, fetches, warnings };
  } finally {
    tree.discard();
  }
}

async function applyLayers(
  prepared: PreparedImage,
  tree: StagedTree,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<readonly LayerFacts[]> {
  const applier = ports.pool.acquire('plain');
  const facts: LayerFacts[] = [];
  try {
    for (const layer of prepared.layers) facts.push(await applyLayer(layer, prepared, tree, applier, ports, signal));
    return facts;
  } finally {
    applier.releaseTarget(tree.directory);
    ports.pool.release(applier);
  }
}

async function applyLayer(
  layer: ImageLayer,
  { source }: PreparedImage,
  { directory }: StagedTree,
  applier: WorkerHandle,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<LayerFacts> {
  const { lanes, pool, transport, onProgress, isPrivileged: privileged } = ports;
  const target = { kind: 'merged', directory, privileged } as const;
  const { job, hooks, tell } = await layerJob(layer, target, { source, transport, onProgress }, signal);
  try {
    const options = { ...hooks, split: true, applier, signal };
    const { facts } = await lanes.run(lanes.count, signal, () => pool.stage(job, options));
    tell('done', layer.descriptor.size);
    return facts;
  } catch (error) {
    tell('failed', 0);
    throw prefixError(`layer ${layer.descriptor.digest}`, error);
  }
}
