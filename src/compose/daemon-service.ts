import { readFileSync } from 'node:fs';
import { assertQualified, loadDaemonRegistries } from '../config/index.ts';
import {
  createDaemonService,
  type DaemonService,
  DaemonStores,
  daemonBacking,
  type LoadedConfiguration,
  logProgress,
  memoryBacking,
  type PullServicePorts,
  readTextIfAny,
  type StorePull,
  sweepBacking,
} from '../daemon/index.ts';
import { daemonEndpoints } from '../endpoints/index.ts';
import type { Logger } from '../log/index.ts';
import { daemonLookaside } from '../lookaside/index.ts';
import { SYSTEM_CLOCK } from '../platform/index.ts';
import type { ProgressEvent, PullPorts } from '../pull/index.ts';
import { countingLoader, loadOptions, waitingLoader } from '../resources/index.ts';
import { loadPolicy, signatureTest } from '../signature/index.ts';
import type { Volumes } from '../volume/index.ts';
import type { Parts } from './parts.ts';
import { imagePorts, pullPorts } from './pull.ts';
import { storePorts } from './store.ts';

export interface DaemonServiceParts {
  readonly loaded: LoadedConfiguration;
  readonly parts: Parts;
  readonly volumes: {
    readonly imageStore: Pick<Volumes['imageStore'], 'backing' | 'reportStall'>;
    readonly containers: Pick<Volumes['containers'], 'sweep'>;
  };
  readonly measure: PullServicePorts['measure'];
  readonly log: Logger;
}

/** The daemon without its sockets. */
export function composeDaemonService({ loaded, parts, volumes, measure, log }: DaemonServiceParts): DaemonService {
  const { configuration } = loaded;
  const stores = new DaemonStores({
    currentBacking: async () => {
      const backing = await volumes.imageStore.backing();
      return daemonBacking(loaded.configuration, backing);
    },
    memoryBacking: memoryBacking(configuration, 'used before'),
    accessStore: (backing) => {
      const ports = storePorts(parts, backing);
      const onProgress = (event: ProgressEvent): void => logProgress(event, log);
      return { ...ports, sweep: (options) => sweepBacking(ports, { ...options, onProgress }) };
    },
    stuckThreads: () => parts.pool.stuckStoreThreads,
  });
  return createDaemonService({
    loaded,
    stores,
    pullPorts: (pull) => daemonPullPorts(pull, parts),
    bundlePorts: (backing) => storePorts(parts, backing),
    sweepVolumes: () => volumes.containers.sweep(),
    reportStall: (error) => volumes.imageStore.reportStall(error),
    measure,
    readMountinfo: () => readFileSync('/proc/self/mountinfo', 'latin1'),
    readText: readTextIfAny,
    clock: SYSTEM_CLOCK,
    log,
    checkpoint: parts.checkpoint,
  });
}

async function daemonPullPorts(pull: StorePull, daemonParts: Parts): Promise<PullPorts> {
  const { configuration, reference, backing, onProgress, waitForName, deadlineMs, signal } = pull;
  const resources = countingLoader(waitingLoader(daemonParts.resources, waitForName), pull.onResource);
  const parts = { ...daemonParts, configuration, waitForName, deadlineMs, resources };
  const load = loadOptions(parts, signal);
  const registries = await loadDaemonRegistries(configuration, load);
  assertQualified(registries, reference);
  const policy = await loadPolicy(configuration.pull, load, configuration.inlinePolicy.value);
  return pullPorts(parts, {
    backing,
    policy,
    image: imagePorts(
      parts,
      daemonEndpoints({ ...parts, mustBeSigned: signatureTest(policy) }, registries),
      onProgress,
    ),
    locateSignatures: daemonLookaside(parts),
    onProgress,
    // The watch over mounts sweeps within a second.
    sweepsStore: false,
  });
}
