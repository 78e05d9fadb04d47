import { dirname } from 'node:path';
import { prefixError } from '../errors/index.ts';
import type { LayerLine, LayerTarget } from '../layer/index.ts';
import type { Digest, ImageLayer } from '../oci/index.ts';
import { assertAuthorized } from '../signature/index.ts';
import type { LayerFacts } from '../unpack/index.ts';
import type { PullOutcome } from './describe-pull.ts';
import { droppedWarnings } from './dropped-warnings.ts';
import { type LayerJobPorts, layerJob } from './layer-job.ts';
import { type NamedImage, withNamedImage } from './named-image.ts';
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
    // Beside the target, which needs much more room.
    const request = { unsafeReference, ports, scratchDir: dirname(tree.directory), signal };
    return await withNamedImage(request, (image) => unpackInto(directory, tree, image, { ports, signal }));
  } finally {
    tree.discard();
  }
}

async function unpackInto(
  directory: string,
  firstTree: StagedTree,
  image: NamedImage,
  { ports, signal }: { readonly ports: PullPorts; readonly signal: AbortSignal },
): Promise<PullOutcome> {
  let tree = firstTree;
  try {
    const prepared = await prepareImage(image, ports, undefined, signal);
    ports.onProgress({ type: 'stage', stage: 'layers' });
    let facts = await applyLayers(prepared, tree, ports, signal);
    while (facts === undefined) {
      // What a place got wrong lies in the tree already.
      tree.discard();
      tree = stageTree(directory);
      facts = await applyLayers(prepared, tree, ports, signal);
    }
    tree.publish();
    const warnings = [...prepared.source.remarks(), ...droppedWarnings(facts)];
    const fetches = new Map<Digest, number>();
    for (const { descriptor } of prepared.layers) {
      fetches.set(descriptor.digest, (fetches.get(descriptor.digest) ?? 0) + 1);
    }
    return { prepared, fetches, layerFormat: undefined, warnings };
  } finally {
    tree.discard();
  }
}

/** Undefined: a place had no good copy of a layer, and another one is left. */
async function applyLayers(
  prepared: PreparedImage,
  { directory }: StagedTree,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<readonly LayerFacts[] | undefined> {
  assertAuthorized(prepared.image);
  const line = await ports.pool.openLine(directory, signal);
  const target = { kind: 'merged', directory, privileged: ports.isPrivileged } as const;
  const facts: LayerFacts[] = [];
  try {
    for (const layer of prepared.layers) {
      const applied = await applyLayer(layer, target, line, { ...ports, source: prepared.source }, signal);
      if (applied === undefined) return undefined;
      facts.push(applied);
    }
    return facts;
  } finally {
    line.close();
  }
}

async function applyLayer(
  layer: ImageLayer,
  target: LayerTarget,
  line: LayerLine,
  ports: LayerJobPorts,
  signal: AbortSignal,
): Promise<LayerFacts | undefined> {
  const { job, hooks, tell, passOver } = await layerJob(layer, target, ports, signal);
  try {
    const { facts } = await line.stage(job, { ...hooks, signal });
    tell('done', layer.descriptor.size);
    return facts;
  } catch (error) {
    if (passOver(error)) return undefined;
    tell('failed', 0);
    throw prefixError(`layer ${layer.descriptor.digest}`, error);
  }
}
