import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CLOCK,
  daemonStateDir,
  findCredentials,
  loadPolicy,
  openPool,
  type Parts,
  pullPorts,
  type RegistryAccess,
  type StorePlace,
  storePorts,
  transportSettings,
} from './compose-parts.ts';
import {
  assertCredentialsAllowed,
  configureRegistry,
  type DaemonConfiguration,
  limitsOf,
  obstacleError,
} from './config/index.ts';
import {
  createMountWatch,
  createPullService,
  createResolverGate,
  type PullService,
  type PullServicePorts,
} from './daemon/index.ts';
import { SealiftError } from './errors/index.ts';
import type { Logger } from './log/index.ts';
import { parseReference, type Reference } from './oci/index.ts';
import { type ProgressEvent, type PullPorts, pullImage, sweepStore, unmountBundle } from './pull/index.ts';
import { type PolicyChoice, parsePolicy } from './signature/index.ts';

/** Layers come in bursts, when a pod starts; afterwards threads only hold memory. */
const WORKER_IDLE_MS = 15_000;
const MOUNT_WATCH_MS = 1_000;
const RESOLVER_TIMEOUT_MS = 10_000;
const RESOLV_CONF = '/etc/resolv.conf';

/** Where images go now, as the volume says. */
export interface CurrentPlace {
  readonly kind: 'device' | 'memory';
  readonly directory: string;
  readonly reason: string;
  /** Tells a disk that was prepared anew from the one before; undefined for memory. */
  readonly mappingUuid: string | undefined;
}

export interface DaemonPorts {
  readonly version: string;
  readonly log: Logger;
  /** Asked for at the beginning of each pull: a reload changes it. */
  readonly configuration: () => DaemonConfiguration;
  /** Why there is no configuration, and only defaults. */
  readonly failure: () => SealiftError | undefined;
  /** Waits for a preparation under way. Throws `VOLUME_*`. */
  readonly currentPlace: () => Promise<CurrentPlace>;
  /** Somebody waited in vain for the place's file system. */
  readonly reportStall: (error: Error) => void;
  readonly measure: PullServicePorts['measure'];
}

/** Everything the daemon does but answering sockets. */
export interface DaemonServices {
  readonly pulls: PullService;
  readonly parts: Parts;
  /** Begins to look for containers that are gone. */
  watch(): void;
  stop(): void;
}

export function composeDaemon(ports: DaemonPorts): DaemonServices {
  const { version, log } = ports;
  const configuration = ports.configuration();
  const limits = limitsOf(configuration);
  const pool = openPool(limits, WORKER_IDLE_MS);
  const parts: Parts = { configuration, limits, pool, userAgent: `sealift/${version}` };
  const daemon = new Daemon(ports, parts);
  const mountWatch = createMountWatch({
    readMountinfo: () => readFileSync('/proc/self/mountinfo', 'latin1'),
    onUnmount: () => daemon.sweep(),
  });
  let timer: NodeJS.Timeout | undefined;
  return {
    parts,
    pulls: createPullService({
      settings: () => ({
        bundleRoots: ports.configuration().api.bundleRoots.value,
        obstacle: daemon.obstacle(),
      }),
      maxPulls: configuration.api.maxPulls.value,
      pull: (request, options) => daemon.pull(request, options),
      undo: (bundlePath) => daemon.undo(bundlePath),
      waitForResolver: createResolverGate(RESOLVER_TIMEOUT_MS, {
        readResolvConf,
        sleep: (ms, signal) => CLOCK.sleep(ms, signal),
        nowMs: () => CLOCK.nowMs(),
        onTimeout: (waitedMs) => log.warn({ path: RESOLV_CONF, waitedMs }, 'no nameserver yet'),
      }),
      measure: ports.measure,
      log,
      nowMs: () => CLOCK.nowMs(),
    }),
    watch: () => {
      timer ??= setInterval(() => {
        mountWatch.look().catch((error: unknown) => log.error({ error: String(error) }, 'looking for mounts failed'));
      }, MOUNT_WATCH_MS).unref();
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
  /** Stores that containers may run from, by their state: memory stays one when a disk comes. */
  readonly #places = new Map<string, StorePlace>();

  constructor(ports: DaemonPorts, parts: Parts) {
    this.#ports = ports;
    this.#parts = parts;
  }

  /** Why nothing can be pulled now. */
  obstacle(): SealiftError | undefined {
    const { stuckThreads } = this.#parts.pool;
    if (stuckThreads === 0) return this.#ports.failure() ?? obstacleError(this.#ports.configuration());
    const message = `store: expected its file system to answer, but it holds ${stuckThreads} threads`;
    return new SealiftError('STORE_STALLED', message, { context: { stuckThreads } });
  }

  pull: Pull = async (request, { signal, log }) => {
    const place = await this.#place();
    const ports = this.#pullPorts(parseReference(request.reference), place, (event) => logProgress(event, log));
    try {
      return await pullImage(request, ports, signal);
    } catch (error) {
      if (error instanceof SealiftError && error.code === 'STORE_STALLED') this.#ports.reportStall(error);
      throw error;
    }
  };

  async undo(bundlePath: string): Promise<void> {
    await unmountBundle(bundlePath, storePorts(this.#parts, await this.#place()), { keepConfig: true });
  }

  async sweep(): Promise<void> {
    await this.#place();
    for (const place of this.#places.values()) await this.#sweepPlace(place);
  }

  async #sweepPlace(place: StorePlace): Promise<void> {
    const ports = storePorts(this.#parts, place);
    const store = await ports.openStore();
    try {
      await sweepStore(store, { ...ports, onProgress: (event) => logProgress(event, this.#ports.log) });
    } finally {
      await store.close();
    }
  }

  async #place(): Promise<StorePlace> {
    const { kind, directory, mappingUuid } = await this.#ports.currentPlace();
    const { store, volume } = this.#ports.configuration();
    const place: StorePlace = {
      dataDir: join(directory, 'store'),
      stateDir: daemonStateDir(store.state.value, mappingUuid),
      minFreeBytes: store.minFreeBytes.value,
      layerFormat: store.layerFormat.value,
      verity: store.verity.value,
      trees: kind === 'device' ? 'required' : 'unused',
      allowDirectories: kind === 'memory' || volume.allowDirectoryLayers.value,
    };
    this.#rememberPlace(place);
    return place;
  }

  /** A disk that was prepared anew lies where the one before lay, whose index says nothing of it. */
  #rememberPlace(place: StorePlace): void {
    for (const [stateDir, { dataDir }] of this.#places) if (dataDir === place.dataDir) this.#places.delete(stateDir);
    this.#places.set(place.stateDir, place);
  }

  #pullPorts(reference: Reference, place: StorePlace, onProgress: (event: ProgressEvent) => void): PullPorts {
    const daemonConfiguration = this.#ports.configuration();
    const { configuration, override } = configureRegistry(daemonConfiguration, reference.domain);
    const parts = { ...this.#parts, configuration };
    const transport = transportSettings(parts);
    const access: RegistryAccess = {
      transport,
      allowHttp: !configuration.pull.tlsVerify.value,
      // What the host says may help the bytes of a pinned image arrive, and no others.
      credentials:
        this.#measuredCredentials(reference, parts) ??
        (reference.digest === undefined ? undefined : override?.credentials),
    };
    return pullPorts(parts, {
      ...{ place, transport, onProgress },
      policy: policyOf(daemonConfiguration, parts),
      accessTo: () => access,
    });
  }

  #measuredCredentials(reference: Reference, { configuration, limits }: Parts): RegistryAccess['credentials'] {
    const { value: path, class: source } = configuration.pull.authfile;
    const found = path === undefined ? undefined : findCredentials(reference, [path], limits);
    if (found !== undefined) assertCredentialsAllowed(configuration, source);
    return found;
  }
}

function policyOf({ inlinePolicy }: DaemonConfiguration, { configuration, limits }: Parts): PolicyChoice {
  return inlinePolicy.value === undefined ? loadPolicy(configuration, limits) : parsePolicy(inlinePolicy.value);
}

function logProgress(event: ProgressEvent, log: Logger): void {
  if (event.type === 'stage') log.info({ stage: event.stage }, 'pull stage');
  if (event.type === 'warning') log.warn({}, event.message);
}

function readResolvConf(): string | undefined {
  try {
    return readFileSync(RESOLV_CONF, 'utf8');
  } catch {
    // Not there yet.
    return undefined;
  }
}
