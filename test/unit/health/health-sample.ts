import type { DaemonFacts } from '../../../src/daemon/index.ts';
import { PullStatistics } from '../../../src/daemon/pull-statistics.ts';

/** Facts about a daemon with a disk that has not pulled anything yet. */
export function healthFacts(
  change: Partial<DaemonFacts> = {},
  volume: Partial<DaemonFacts['volume']> = {},
): DaemonFacts {
  return {
    version: '1.2.3',
    uptimeSeconds: 12.4,
    pulls: new PullStatistics(),
    stuckThreads: 0,
    obstacle: undefined,
    volume: {
      state: 'ready',
      backing: {
        kind: 'device',
        directory: '/run/kata-containers/image',
        reason: 'image store on 254:0',
        mappingUuid: 'CRYPT-LUKS2-0',
      },
      device: { deviceId: '254:0', path: '/dev/vda', bytes: 2 ** 31, sectorBytes: 512, diskseq: '9' },
      mountPoint: '/run/kata-containers/image',
      mapping: undefined,
      cipher: 'capi:authenc(hmac(sha256),xts(aes))-plain64',
      integrity: 'hmac-sha256',
      error: undefined,
      stuckPrograms: 0,
      ...volume,
    },
    ...change,
  };
}
