import { existsSync, readFileSync } from 'node:fs';
import {
  CLOCK,
  daemonBacking,
  loadPolicy,
  type OpenPool,
  openPool,
  type Parts,
  pullPorts,
  type StoreBacking,
  storePorts,
} from '../compose/parts.ts';
import {
  assertQualified,
  type DaemonConfiguration,
  limitsOf,
  loadDaemonRegistries,
  obstacleError,
} from '../config/index.ts';
import { daemonEndpoints } from '../endpoints/index.ts';
import { SealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { releaseMemory } from '../platform/index.ts';
import {
  type LayerFormat,
  type ProgressEvent,
  type PullPorts,
  pullImage,
  sweepStore,
  unmountBundle,
} from '../pull/index.ts';
import { createResourceLoader } from '../resources/index.ts';
import { explainShortage, type VolumeBacking } from '../volume/index.ts';
import {
  countPulls,
  createMountWatch,
  createPullService,
  createResolverGate,
  limitLayers,
  type PullCounts,
  type PullService,
  type PullServicePorts,
  PullStatistics,
} from './index.ts';

/** Layers come in bursts, when a pod starts; afterwards threads, and what they have left behind, only hold memory. */
const WORKER_IDLE_MS = 15_000;
const MOUNT_WATCH_MS = 1_000;
const RESOLVER_TIMEOUT_MS = 10_000;
const RESOLV_CONF = '/etc/resolv.conf';

export interface DaemonPorts {
  readonly version: string;
  readonly log: Logger;
  /** Asked for at the beginning of each pull: a reload changes it. */
  readonly configuration: () => DaemonConfiguration;
  /** Why there is no configuration, and only defaults. */
  readonly failure: () => SealiftError | undefined;
  /** Waits for a preparation under way. Throws `VOLUME_*`. */
  readonly currentBacking: () => Promise<VolumeBacking>;
  /** Somebody waited in vain for the place's file system. */
  readonly reportStall: (error: Error) => void;
  readonly measure: PullServicePorts['measure'];
  /** Called at named moments, so that crash tests hit them exactly. */
  readonly checkpoint: (name: string) => void;
  /** Opens the threads, which `stop` closes. */
  readonly openPool?: OpenPool;
}

/** Everything the daemon does but answering sockets. */
export interface DaemonServices {
  readonly pulls: PullService;
  readonly counts: PullCounts;
  readonly parts: Parts;
  /** Why nothing can be pulled now, whatever the store's backing. */
  obstacle(): SealiftError | undefined;
  /** Begins to look for containers that are gone. */
  watch(): void;
  stop(): void;
}

export function composeDaemon(ports: DaemonPorts): DaemonServices {
  const { version, log, checkpoint, openPool: open = openPool } = ports;
  const configuration = ports.configuration();
  const limits = limitsOf(configuration);
  const pool = open(limits, WORKER_IDLE_MS, releaseMemory);
  const resources = createResourceLoader();
  const parts: Parts = { configuration, limits, pool, userAgent: `sealift/${version}`, resources, checkpoint };
  const counts = new PullStatistics();
  const daemon = new Daemon(ports, parts, counts);
  const mountWatch = createMountWatch({
    readMountinfo: () => readFileSync('/proc/self/mountinfo', 'latin1'),
    onUnmount: () => daemon.sweep(),
  });
  let timer: NodeJS.Timeout | undefined;
  const nowMs = () => CLOCK.nowMs();
  const pulls = createPullService({
    settings: () => ({
      bundleRoots: ports.configuration().api.bundleRoots.value,
      obstacle: daemon.obstacle(),
    }),
    maxPulls: configuration.api.maxPulls.value,
    pull: async (request, options) => {
      try {
        return await daemon.pull(request, options);
      } finally {
        // What it mounted may go before anybody has seen it, and what failed may have left something.
        mountWatch.expect();
      }
    },
    undo: (bundlePath) => daemon.undo(bundlePath),
    waitForResolver: createResolverGate(RESOLVER_TIMEOUT_MS, {
      readResolvConf,
      sleep: (ms, signal) => CLOCK.sleep(ms, signal),
      nowMs,
      onTimeout: (waitedMs) => log.warn({ path: RESOLV_CONF, waitedMs }, 'no nameserver yet'),
    }),
    measure: ports.measure,
    log,
    checkpoint,
    nowMs,
  });
  return {
    parts,
    counts,
    obstacle: () => daemon.obstacle(),
    pulls: countPulls(pulls, counts, nowMs),
    watch: () => {
      if (timer !== undefined) return;
      const look = (): void => {
        mountWatch.look().catch((error: unknown) => log.error({ error: String(error) }, 'looking for mounts failed'));
        daemon.lookAtDisk().catch((error: unknown) => log.error({ error: String(error) }, 'image store not usable'));
      };
      timer = setInterval(look, MOUNT_WATCH_MS).unref();
      // Now, so that nothing is missed that an earlier run has mounted and that goes in this second.
      look();
    },
    stop: () => {
      clearInterval(timer);
      pool.close();
    },
  };
}

type Pull = PullServicePorts['pull'];

class Daemon {
  readonly #ports: DaemonPorts;
  readonly #parts: Parts;
  readonly #statistics: PullStatistics;
  /** Stores that containers may run from, by their state: memory stays one when a disk comes. */
  readonly #backings = new Map<string, StoreBacking>();
  /** By backing, once layer images were found to work there. */
  readonly #formats = new Map<string, LayerFormat>();
  #isHung = false;

  constructor(ports: DaemonPorts, parts: Parts, statistics: PullStatistics) {
    this.#ports = ports;
    this.#parts = parts;
    this.#statistics = statistics;
    this.#rememberMemory();
  }

  /** Why nothing can be pulled now. */
  obstacle(): SealiftError | undefined {
    return this.#stall() ?? this.#ports.failure() ?? obstacleError(this.#ports.configuration());
  }

  #stall(): SealiftError | undefined {
    const { stuckThreads } = this.#parts.pool;
    if (stuckThreads === 0) return undefined;
    const message = `store: expected its file system to answer, but it holds ${stuckThreads} threads`;
    return new SealiftError('STORE_STALLED', message, { context: { stuckThreads } });
  }

  /** Threads hang, or do so no more: the volume is made to look, so that its state says what is the matter. */
  async lookAtDisk(): Promise<void> {
    const isHung = this.#parts.pool.stuckThreads > 0;
    if (isHung === this.#isHung) return;
    this.#isHung = isHung;
    await this.#ports.currentBacking();
  }

  pull: Pull = async (request, { signal, log }) => {
    const backing = await this.#backing();
    const onProgress = (event: ProgressEvent): void => {
      logProgress(event, log);
      if (event.type === 'layer' && event.state === 'done') this.#statistics.addFetched(event.total);
    };
    const ports = await this.#pullPorts(request.reference, backing, { onProgress, signal });
    try {
      return await pullImage(request, ports, signal);
    } catch (error) {
      if (error instanceof SealiftError && error.code === 'STORE_STALLED') this.#ports.reportStall(error);
      throw explainSpace(error, backing);
    }
  };

  async undo(bundlePath: string): Promise<void> {
    await unmountBundle(bundlePath, storePorts(this.#parts, await this.#backing()), { keepConfig: true });
  }

  /** A disk that failed does not keep what lies in memory from being given back. */
  async sweep(): Promise<void> {
    const [current] = await Promise.allSettled([this.#backing()]);
    const isUsable = current.status === 'fulfilled';
    for (const backing of this.#backings.values()) {
      const isCurrent = isUsable && backing === current.value;
      if (isCurrent || backing.trees === 'unused') await this.#sweepBacking(backing, isUsable && !isCurrent);
      // Mounts of a disk that failed, which nobody reads any more, would keep another one from taking its backing.
      else if (this.#stall() === undefined) await storePorts(this.#parts, backing).sweepLayerMounts();
    }
    if (!isUsable) throw current.reason;
  }

  /** `isFormer`: nobody looks for layers there any more, so what no container uses only takes memory. */
  async #sweepBacking(backing: StoreBacking, isFormer: boolean): Promise<void> {
    const ports = storePorts(this.#parts, backing);
    const store = await ports.openStore();
    try {
      if (isFormer) await store.prune({ all: true });
      await sweepStore(store, { ...ports, onProgress: (event) => logProgress(event, this.#ports.log) });
    } finally {
      await store.close();
    }
  }

  async #backing(): Promise<StoreBacking> {
    const stall = this.#stall();
    // To ask a disk that hangs would cost another thread.
    if (stall !== undefined) throw stall;
    const backing = daemonBacking(this.#ports.configuration(), await this.#ports.currentBacking());
    this.#rememberBacking(backing);
    return backing;
  }

  /** An earlier run may have started containers from memory, before there was a disk. */
  #rememberMemory(): void {
    const configuration = this.#ports.configuration();
    const directory = configuration.volume.memoryMountPoint.value;
    const backing = daemonBacking(configuration, { kind: 'memory', directory, reason: 'used before' });
    if (existsSync(backing.stateDir)) this.#rememberBacking(backing);
  }

  /** A disk that was prepared anew lies where the one before lay, whose index says nothing of it. */
  #rememberBacking(backing: StoreBacking): void {
    for (const [stateDir, { dataDir }] of this.#backings)
      if (dataDir === backing.dataDir) this.#backings.delete(stateDir);
    this.#backings.set(backing.stateDir, backing);
  }

  async #pullPorts(
    reference: string,
    backing: StoreBacking,
    { onProgress, signal }: { readonly onProgress: PullPorts['onProgress']; readonly signal: AbortSignal },
  ): Promise<PullPorts> {
    const configuration = this.#ports.configuration();
    const parts = { ...this.#parts, configuration };
    const { resources, limits } = parts;
    const load = { resources, maxBytes: limits.maxConfigurationBytes, signal };
    const registries = await loadDaemonRegistries(configuration, load);
    assertQualified(registries, reference);
    const pulling = pullPorts(parts, {
      ...{ backing, onProgress },
      // The watch over mounts does, within a second.
      sweepsStore: false,
      policy: await loadPolicy(parts, { inline: configuration.inlinePolicy.value, signal }),
      findEndpoints: daemonEndpoints(parts, registries),
    });
    const chooseLayerFormat = () => this.#chooseFormat(backing, pulling);
    const maxLayers = configuration.maxLayerDownloads.value;
    const pool = maxLayers === undefined ? pulling.pool : limitLayers(pulling.pool, maxLayers);
    return { ...pulling, chooseLayerFormat, pool };
  }

  /** What the kernel could do it can still do; to try takes a loop device and a mount. */
  async #chooseFormat(backing: StoreBacking, { chooseLayerFormat }: PullPorts): Promise<LayerFormat> {
    const key = JSON.stringify(backing);
    const known = this.#formats.get(key);
    if (known !== undefined) return known;
    const chosen = await chooseLayerFormat(backing.dataDir);
    // A module may still be loaded.
    if (chosen.format === 'erofs') this.#formats.set(key, chosen);
    return chosen;
  }
}

/** Who runs the pod knows its annotations and limits, and not the directories in it. */
function explainSpace(error: unknown, { trees }: StoreBacking): unknown {
  if (!(error instanceof SealiftError) || error.code !== 'STORE_SPACE_EXHAUSTED') return error;
  const { code, message, context, cause } = error;
  const { expected, likely = expected, actual, size } = context;
  // The state has no room left, and not the store.
  if (size === undefined) return error;
  const kind = trees === 'required' ? 'device' : 'memory';
  const figures = { needBytes: Number(expected), likelyBytes: Number(likely) };
  const hint = explainShortage({ kind, ...figures, sizeBytes: Number(size), availableBytes: Number(actual) });
  return new SealiftError(code, message, { context, hint, cause });
}

function logProgress(event: ProgressEvent, log: Logger): void {
  if (event.type === 'stage') log.info({ stage: event.stage }, 'pull stage');
  if (event.type === 'warning') log.warn({}, event.message);
}

function readResolvConf(): string | undefined {
  try {
    return readFileSync(RESOLV_CONF).toString('utf8');
  } catch {
    // Not there yet.
    return undefined;
  }
}
