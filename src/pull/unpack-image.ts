import { dirname } from 'node:path';
import { asSealiftError, prefixError, SealiftError } from '../errors/index.ts';
import type { LayerLine, LayerTarget, StagedLayer } from '../layer/index.ts';
import type { Digest } from '../oci/index.ts';
import { assertAuthorized } from '../signature/index.ts';
import { droppedWarnings, type FinishedPull } from './describe-pull.ts';
import { layerWarnings, prepareLayerJob, reportLayer } from './layer-job.ts';
import { openNamedImage } from './named-image.ts';
import type { LayerPlan } from './plan-layers.ts';
import { type PreparedImage, prepareImage } from './prepare-image.ts';
import type { PullContext } from './pull-context.ts';
import { stageDirectory } from './stage-directory.ts';

/**
 * Unpacks an image into one plain directory. One writer applies the layers in order and remembers what it made, so that
 * whiteouts delete. DIR has to be absent or empty, and appears whole or not at all. Works without root, with losses.
 */
export async function unpackImage(
  unsafeReference: string,
  directory: string,
  context: PullContext,
): Promise<FinishedPull> {
  const { ports, signal } = context;
  let tree = stageDirectory(directory);
  try {
    // A compressed archive is unpacked beside the target, which needs much more space than the archive.
    const scratchDir = dirname(tree.directory);
    await using image = await openNamedImage({ unsafeReference, ports, scratchDir, signal });
    const prepared = await prepareImage(image, context);
    ports.onProgress({ type: 'stage', stage: 'layers' });
    let applied = await applyLayers(prepared, tree.directory, context);
    while (applied === undefined) {
      // The tree has entries of the bad copy already.
      tree.discard();
      tree = stageDirectory(directory);
      applied = await applyLayers(prepared, tree.directory, context);
    }
    tree.publish();
    const warnings = [...prepared.source.remarks(), ...prepared.warnings, ...describeLayers(prepared, applied)];
    return { prepared, fetches: countFetches(prepared), layerFormat: undefined, warnings, finishedMs: ports.nowMs() };
  } finally {
    tree.discard();
  }
}

function describeLayers({ layers }: PreparedImage, applied: readonly StagedLayer[]): readonly string[] {
  const warnings = applied.flatMap((staged, position) => {
    const layer = layers[position];
    return layer === undefined ? [] : layerWarnings(layer.descriptor, staged);
  });
  return [...new Set(warnings), ...droppedWarnings(applied.map(({ facts }) => facts))];
}

/** Counts how often each blob was fetched: a layer that occurs twice is fetched twice. */
function countFetches({ layers }: PreparedImage): FinishedPull['fetches'] {
  const fetches = new Map<Digest, number>();
  for (const { descriptor } of layers) fetches.set(descriptor.digest, (fetches.get(descriptor.digest) ?? 0) + 1);
  return fetches;
}

/** Undefined: an endpoint had no good copy of a layer, and another endpoint is left. */
async function applyLayers(
  prepared: PreparedImage,
  directory: string,
  context: PullContext,
): Promise<readonly StagedLayer[] | undefined> {
  // docs/adr/0005-authorized-image.md
  assertAuthorized(prepared.image);
  const { ports, signal } = context;
  const line = await ports.pool.openLine(directory, signal);
  const target = { kind: 'merged', directory, privileged: ports.isPrivileged } as const;
  const all: StagedLayer[] = [];
  try {
    for (const layer of prepared.layers) {
      const applied = await applyLayer(layer, { line, target, source: prepared.source }, context);
      if (applied === undefined) return undefined;
      all.push(applied);
    }
    return all;
  } finally {
    line.close();
  }
}

interface Writing extends Pick<PreparedImage, 'source'> {
  readonly line: LayerLine;
  readonly target: Extract<LayerTarget, { kind: 'merged' }>;
}

async function applyLayer(
  layer: LayerPlan,
  { line, target, source }: Writing,
  { ports, signal }: PullContext,
): Promise<StagedLayer | undefined> {
  const report = reportLayer(layer.descriptor, ports.onProgress);
  const { job, hooks, skip } = await prepareLayerJob(layer, { source, target, factsPath: undefined, report, signal });
  try {
    const staged = await line.stage(job, { ...hooks, signal });
    report('done', layer.descriptor.size);
    return staged;
  } catch (error) {
    const failure = asSealiftError(error);
    if (skip(failure)) return undefined;
    report('failed', 0);
    throw prefixError(`layer ${layer.descriptor.digest}`, namingTarget(failure, target.directory));
  }
}

/** There is no store: what is full is the file system that the tree is on. */
function namingTarget(failure: SealiftError, staged: string): SealiftError {
  const { code, message, context } = failure;
  if (code !== 'UNPACK_WRITE_FAILED') return failure;
  const around = dirname(dirname(staged));
  const lacks = context['resource'] === undefined ? 'returned an error' : 'is full';
  const hint = `free space on the file system of ${around}, check its disk, or name a directory on another one`;
  return new SealiftError(code, `the file system of ${around} ${lacks}: ${message}`, { context, hint, cause: failure });
}
