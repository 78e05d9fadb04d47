import type { Limits } from '../limits/index.ts';
import type { Run } from '../operations/index.ts';
import type { Checkpoint } from '../platform/index.ts';
import { isUpperMounted } from './mounted-elsewhere.ts';
import { topmostCopies } from './topmost-copies.ts';
import type {
  LayerMounts,
  MountedSnapshot,
  ReadableLayer,
  SnapshotOperations,
  SnapshotRequest,
  SnapshotStore,
  Snapshotter,
  SnapshotUpper,
} from './types.ts';

interface SnapshotterPorts {
  readonly runOperation: Run<SnapshotOperations>;
  readonly store: SnapshotStore;
  readonly layerMounts: LayerMounts;
  readonly limits: Pick<Limits, 'maxPlanSteps' | 'maxPlanBytes'>;
  readonly checkpoint: Checkpoint;
  /** True if any mount namespace has the upper mounted. The kernel is asked when absent. */
  readonly isUpperMounted?: (id: string) => boolean;
}

/** Mounts layers as an overlay with a fresh upper on top. */
export function createSnapshotter(ports: SnapshotterPorts): Snapshotter {
  return {
    mount: (request) => mountLayers(ports, request),
    unmount: (target) => unmountTarget(ports, target),
  };
}

async function mountLayers(ports: SnapshotterPorts, request: SnapshotRequest): Promise<MountedSnapshot> {
  const lease = ports.layerMounts.lease();
  try {
    // Each layer is opened once, bottom to top.
    const layers = await lease.open(topmostCopies(request.layers));
    return await mountWithUpper(ports, request, layers);
  } catch (error) {
    lease.release();
    // The first failure is reported; what stays mounted now is unmounted by the next sweep.
    await Promise.allSettled([ports.layerMounts.sweep()]);
    throw error;
  } finally {
    // From here on the overlay itself keeps its layers in use.
    lease.release();
  }
}

async function mountWithUpper(
  ports: SnapshotterPorts,
  request: SnapshotRequest,
  layers: readonly ReadableLayer[],
): Promise<MountedSnapshot> {
  const upper = await ports.store.createUpper();
  ports.checkpoint('upper-made');
  try {
    return await mountOverlay(ports, request, { layers, ...upper });
  } catch (error) {
    ports.store.removeMount(upper.id);
    // The first failure is reported; an upper that cannot be moved to the trash now is found at the next start.
    await Promise.allSettled([ports.store.trashUpper(upper.id)]);
    throw error;
  }
}

interface OverlayParts extends SnapshotUpper {
  readonly layers: readonly ReadableLayer[];
}

async function mountOverlay(
  { runOperation, store, limits, checkpoint }: SnapshotterPorts,
  { target, imageDigest, call }: SnapshotRequest,
  { layers, id, upper, work }: OverlayParts,
): Promise<MountedSnapshot> {
  const planned = layers.map(({ directory, paths: facts }) => ({ directory, facts }));
  const { maxPlanSteps, maxPlanBytes } = limits;
  const steps = { limit: maxPlanSteps, taken: 0 };
  await runOperation('prepareUpper', { layers: planned, upper, steps, maxPlanBytes }, call);
  checkpoint('upper-prepared');
  // The record is written before the mount, because an upper without a record counts as left over and is removed.
  store.putMount({ id, target: target.path, layers: layers.map(({ record }) => record.key), upper, imageDigest });
  checkpoint('mount-recorded');
  const lowers = layers.map(({ directory }) => directory).reverse();
  await runOperation('mountSnapshot', { lowers, upper, work, target });
  checkpoint('mounted');
  return { id, target: target.path, upper };
}

async function unmountTarget(ports: SnapshotterPorts, target: string): Promise<boolean> {
  const { runOperation, store, layerMounts, checkpoint, isUpperMounted: isMounted = isUpperMounted } = ports;
  const unmounted = await runOperation('unmountSnapshot', { target });
  checkpoint('unmounted');
  for (const { id } of store.listMounts().filter((record) => record.target === target)) {
    if (isMounted(id)) continue;
    store.removeMount(id);
    await store.trashUpper(id);
  }
  await layerMounts.sweep();
  return unmounted;
}
