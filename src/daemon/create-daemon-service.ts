import { type DaemonConfiguration, obstacleError } from '../config/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { Checkpoint, Clock } from '../platform/index.ts';
import {
  type ProgressEvent,
  type PullPorts,
  type PullRequest,
  type PullResult,
  pullImage,
  type StoreBacking,
  unmountBundle,
} from '../pull/index.ts';
import type { ResourceLoad } from '../resources/index.ts';
import { countPulls } from './count-pulls.ts';
import { createPullService } from './create-pull-service.ts';
import type { DaemonStores } from './daemon-stores.ts';
import { explainSpace } from './explain-space.ts';
import { limitLayers } from './limit-layers.ts';
import { logFailure } from './log-failure.ts';
import { logProgress } from './log-progress.ts';
import { type PullCounts, PullStatistics } from './pull-statistics.ts';
import type { LoadedConfiguration } from './reloadable-configuration.ts';
import type { PullService, PullServicePorts } from './types.ts';
import { createResolverGate } from './wait-for-resolver.ts';
import { createMountWatch } from './watch-mounts.ts';

const MOUNT_WATCH_MS = 1_000;
const RESOLVER_TIMEOUT_MS = 10_000;

/** One pull of an image into one store. */
export interface StorePull {
  /** The configuration that holds for this pull. */
  readonly configuration: DaemonConfiguration;
  /** As the agent wrote it. */
  readonly reference: string;
  readonly backing: StoreBacking;
  readonly onProgress: (event: ProgressEvent) => void;
  /** Called when the load of a document has ended. */
  readonly onResource: (load: ResourceLoad) => void;
  /** Called before a name is looked up. */
  readonly waitForName: WaitForName;
  /** When the caller gives up, in monotonic milliseconds; undefined if it waits for ever. */
  readonly deadlineMs: number | undefined;
  readonly signal: AbortSignal;
}

/** Waits until names can be looked up, but never for long. */
type WaitForName = (name: string, signal?: AbortSignal) => Promise<void>;

export interface DaemonServicePorts {
  /** Read at the beginning of each pull: a reload changes it. */
  readonly loaded: LoadedConfiguration;
  readonly stores: DaemonStores;
  /** Loads what the configuration of one pull names. */
  readonly pullPorts: (pull: StorePull) => Promise<PullPorts>;
  /** How a bundle in a store is undone. */
  readonly bundlePorts: (backing: StoreBacking) => Parameters<typeof unmountBundle>[1];
  /** Removes volumes whose mounts are gone. */
  readonly sweepVolumes: () => Promise<void>;
  /** Called when a pull waited in vain for the store's file system. */
  readonly reportStall: (error: Error) => void;
  readonly measure: PullServicePorts['measure'];
  /** Returns the text of /proc/self/mountinfo. */
  readonly readMountinfo: () => string;
  /** Returns the text of a file of the guest; undefined: there is none. */
  readonly readText: (path: string) => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly checkpoint: Checkpoint;
}

/** Everything the daemon does, apart from sockets and the volume. */
export interface DaemonService {
  readonly pulls: PullService;
  readonly counts: PullCounts;
  /** Returns why every pull is refused now, whatever the state of the volume. */
  obstacle(): SealiftError | undefined;
  /** Starts looking for containers that are gone. */
  watch(): void;
  /** Ends the watch. */
  stop(): void;
}

/**
 * Builds the service. A pull is, from the outside in: counted; bounded, logged and measured (`createPullService`); noted
 * for the watch over mounts; and given at most so many layers at a time (`limitLayers`).
 */
export function createDaemonService(ports: DaemonServicePorts): DaemonService {
  const { loaded, stores, clock, log, checkpoint } = ports;
  const statistics = new PullStatistics();
  const nowMs = () => clock.nowMs();
  const obstacle = () => stores.stall() ?? loaded.failure ?? obstacleError(loaded.configuration);
  const waitForName = createResolverGate(RESOLVER_TIMEOUT_MS, {
    readText: ports.readText,
    sleep: (ms, signal) => clock.sleep(ms, signal),
    nowMs,
    onTimeout: (waitedMs) => log.warn({ waitedMs }, 'no name server in resolv.conf; no pull waits for one from now on'),
  });
  const mountWatch = createMountWatch({ readMountinfo: ports.readMountinfo, onUnmount: () => stores.sweep() });
  const pulls = createPullService({
    settings: () => ({ bundleRoots: loaded.configuration.api.bundleRoots.value, obstacle: obstacle() }),
    maxPulls: loaded.configuration.api.maxPulls.value,
    pull: async (request, options) => {
      try {
        return await pullIntoStore(request, { ...options, ports, statistics, waitForName });
      } finally {
        // Its mount may be gone before the watch has seen it, and a pull that failed may have left something.
        mountWatch.expect();
      }
    },
    undo: async (bundlePath) => {
      await unmountBundle(bundlePath, ports.bundlePorts(await stores.current()), { keepConfig: true });
    },
    measure: ports.measure,
    log,
    checkpoint,
    nowMs,
  });
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    mountWatch.look().catch((error: unknown) => log.error({ error: String(error) }, 'looking for mounts failed'));
    ports.sweepVolumes().catch((error: unknown) => logFailure(log, 'a volume cannot be removed', error));
    stores.lookAtDisk().catch((error: unknown) => log.error({ error: String(error) }, 'image store not usable'));
  };
  return {
    pulls: countPulls(pulls, statistics, nowMs),
    counts: statistics,
    obstacle,
    watch: () => {
      if (timer !== undefined) return;
      timer = setInterval(look, MOUNT_WATCH_MS).unref();
      // The first look is now: a mount of an earlier run that goes within this second must not be missed.
      look();
    },
    stop: () => clearInterval(timer),
  };
}

interface StorePullContext {
  readonly deadlineMs: number | undefined;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly ports: DaemonServicePorts;
  readonly statistics: PullStatistics;
  readonly waitForName: WaitForName;
}

async function pullIntoStore(request: PullRequest, context: StorePullContext): Promise<PullResult> {
  const { signal, log, statistics, waitForName, deadlineMs } = context;
  const { stores, pullPorts, loaded, reportStall } = context.ports;
  const backing = await stores.current();
  const { configuration } = loaded;
  const onProgress = (event: ProgressEvent): void => {
    logProgress(event, log);
    statistics.addProgress(event);
  };
  const { reference } = request;
  const onResource = (load: ResourceLoad): void => statistics.addResource(load);
  const given = { reference, onResource, waitForName, deadlineMs, signal };
  const ports = await pullPorts({ configuration, backing, onProgress, ...given });
  const maxLayers = configuration.maxLayerDownloads.value;
  const pool = maxLayers === undefined ? ports.pool : limitLayers(ports.pool, maxLayers);
  try {
    return await pullImage(
      request,
      { ...ports, pool, chooseLayerFormat: () => stores.chooseLayerFormat(backing) },
      signal,
    );
  } catch (error) {
    if (error instanceof SealiftError && error.code === 'STORE_STALLED') reportStall(error);
    throw explainSpace(error, backing);
  }
}
