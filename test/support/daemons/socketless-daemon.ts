import { composeDaemonService } from '../../../src/compose/daemon-service.ts';
import { openParts, type Parts } from '../../../src/compose/parts.ts';
import type { DaemonService, LoadedConfiguration, PullServicePorts } from '../../../src/daemon/index.ts';
import { openBundledPool } from '../pools/pools.ts';
import { SILENT_LOGGER } from './silent-logger.ts';

/** The daemon without its sockets; `stop` ends its threads as well. */
export interface SocketlessDaemon extends DaemonService {
  readonly parts: Parts;
}

export interface SocketlessOptions {
  readonly loaded: LoadedConfiguration;
  /** The directory that images go to, a mount of memory. */
  readonly memory: string;
  readonly measure?: PullServicePorts['measure'];
}

export function openSocketlessDaemon({
  loaded,
  memory,
  measure = async () => {},
}: SocketlessOptions): SocketlessDaemon {
  const parts = openParts(loaded.configuration, {
    version: 'test',
    checkpoint: () => {},
    openPool: openBundledPool,
    keyBroker: () => loaded.configuration.keyBroker.value,
  });
  const service = composeDaemonService({
    loaded,
    parts,
    volumes: {
      imageStore: {
        backing: async () => ({ kind: 'memory', directory: memory, reason: 'test' }),
        reportStall: () => undefined,
      },
      containers: { sweep: async () => undefined },
    },
    measure,
    log: SILENT_LOGGER,
  });
  return {
    ...service,
    parts,
    stop: () => {
      service.stop();
      parts.pool.close();
    },
  };
}
