import { asSealiftError, SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { PullResult } from '../pull/index.ts';
import { Slots } from '../slots/index.ts';
import type { PullCall, PullService, PullServicePorts } from './types.ts';

/**
 * Runs one pull for each call, a bounded number at a time. A pull that fails leaves the bundle as it was and throws the
 * pull's error. A call that is aborted ends its pull; layers that are finished stay for the next one.
 * docs/adr/0016-the-hubs-place.md
 */
export function createPullService(ports: PullServicePorts): PullService {
  const slots = new Slots(ports.maxPulls);
  return {
    pullImage: async (call) => {
      const log = ports.log.child({ requestId: call.requestId, image: call.imageUrl });
      const startedMs = ports.nowMs();
      log.info({ bundle: call.bundlePath }, 'pull requested');
      try {
        const deadlineMs = call.timeoutMs === undefined ? undefined : startedMs + call.timeoutMs;
        const result = await pullInSlot(call, { ports, slots, log, deadlineMs });
        log.info({ durationMs: ports.nowMs() - startedMs, ...describe(result) }, 'pull finished');
        ports.checkpoint('pull-answering');
        return { manifestDigest: result.manifestDigest };
      } catch (error) {
        const { code, kind, message } = asSealiftError(error);
        log.error({ durationMs: ports.nowMs() - startedMs, code, kind, error: message }, 'pull failed');
        throw error;
      }
    },
  };
}

interface SlotContext {
  readonly ports: PullServicePorts;
  readonly slots: Slots;
  readonly log: Logger;
  readonly deadlineMs: number | undefined;
}

async function pullInSlot(call: PullCall, context: SlotContext): Promise<PullResult> {
  const { ports, slots } = context;
  const { signal } = call;
  const { obstacle } = ports.settings();
  if (obstacle !== undefined) throw obstacle;
  const release = await takeSlot(slots, signal);
  try {
    return await pullAndMeasure(call, context);
  } finally {
    release();
  }
}

async function takeSlot(slots: Slots, signal: AbortSignal): Promise<() => void> {
  try {
    return await slots.take(signal);
  } catch (cause) {
    throw new SealiftError('PULL_CANCELLED', 'pull: cancelled while it waited for a slot', { cause });
  }
}

async function pullAndMeasure(call: PullCall, { ports, log, deadlineMs }: SlotContext): Promise<PullResult> {
  const { imageUrl, bundlePath: directory, signal } = call;
  const given = { roots: ports.settings().bundleRoots };
  const request = { reference: imageUrl, target: { kind: 'bundle', directory, given } } as const;
  const result = await ports.pull(request, { signal, log, deadlineMs });
  try {
    await ports.measure({ image: imageUrl, digest: result.manifestDigest }, signal);
    ports.checkpoint('image-measured');
    return result;
  } catch (error) {
    // No image may run that was not measured. If undoing fails as well, the first failure is the one to report.
    await Promise.allSettled([ports.undo(directory)]);
    throw error;
  }
}

function describe({ manifestDigest, signers, layers, warnings, layerFormat }: PullResult) {
  const fetched = layers.filter(({ fetches }) => fetches > 0);
  return {
    digest: manifestDigest,
    layers: layers.length,
    fetchedLayers: fetched.length,
    fetchedBytes: fetched.reduce((sum, { size, fetches }) => sum + size * fetches, 0),
    layerFormat,
    ...(signers.length === 0 ? {} : { signers }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}
