import type { NetworkFindings } from '../../../src/doctor/network-types.ts';
import type { DirectoryFacts, Findings } from '../../../src/doctor/types.ts';

export const MIB = 1024 * 1024;
const EXT4 = 0xef53;

export function facts(path: string, change: Partial<DirectoryFacts> = {}): DirectoryFacts {
  const usable = { writable: 'usable', userXattrs: 'usable', trustedXattrs: 'usable' } as const;
  const room = { freeBytes: 1024 * MIB, sizeBytes: 2048 * MIB, freeInodes: 1_000_000, fileSystem: EXT4 };
  return { path, examined: path, ...room, ...usable, ...change };
}

export const QUIET_NETWORK: NetworkFindings = {
  proxies: [],
  exceptions: undefined,
  registries: { rules: 0, mirrors: 0 },
  authfiles: { paths: [], idleHelpers: [] },
  resolver: { nameservers: ['10.0.0.1'] },
  names: [],
  images: [],
};

/** A machine that lacks nothing, without a daemon and without images to ask for. */
export const HEALTHY: Findings = {
  kernelRelease: '6.12.48+deb13-amd64',
  isRoot: true,
  minFreeBytes: 64 * MIB,
  machine: { systemCalls: 'usable', overlay: 'usable', appendedLowers: 'usable' },
  data: facts('/data'),
  state: facts('/state'),
  layerFormats: { loop: 'usable', erofs: 'usable', directIo: true },
  choice: { format: 'erofs', reason: 'because' },
  inflatesSynchronously: true,
  inflate: { engine: 'isal', path: '/usr/lib/libisal.so.2' },
  resources: {
    of: 'doctor',
    availableMemoryBytes: 2048 * MIB,
    memoryLimitBytes: undefined,
    openFiles: 524_288,
    systemFiles: { used: 1_000, limit: 1_000_000 },
    threadsLeft: 10_000,
    loops: { used: 3, nodes: 8, isManaged: true },
  },
  clock: { nowMs: Date.UTC(2030, 0, 1), isSynchronized: true },
  runtimes: { crun: { path: '/usr/bin/crun', version: '1.8.1' }, runc: undefined },
  credentialHelpers: {},
  network: QUIET_NETWORK,
  daemon: undefined,
};
