import type { DaemonFindings } from '../../../src/doctor/daemon-types.ts';

export const TIMEOUTS: DaemonFindings['timeouts'] = {
  launch: { key: 'agent.launch_process_timeout', seconds: 6, origin: 'default', problem: undefined },
  mount: { key: 'agent.cdh_api_timeout', seconds: 50, origin: 'default', problem: undefined },
  pull: { key: 'agent.image_pull_timeout', seconds: 1_200, origin: 'default', problem: undefined },
};

export const SOCKET = '/run/confidential-containers/cdh.sock';

/** A daemon in a pod VM that lacks nothing. */
export const HEALTHY_DAEMON: DaemonFindings = {
  obstacle: undefined,
  usesDefaults: false,
  warnings: [],
  integrity: 'hmac-sha256',
  socketPaths: [SOCKET],
  sockets: [{ path: SOCKET, facts: { kind: 'socket', owner: 0, mode: 0o600 }, server: 'sealift' }],
  abilities: { 'dm-crypt': 'ready', 'dm-integrity': 'ready', 'dm-verity': 'ready', aegis128: 'ready' },
  programs: {
    cryptsetup: { path: '/usr/sbin/cryptsetup', version: '2.6.1' },
    'mkfs.ext4': { path: '/usr/sbin/mkfs.ext4', version: '1.47.0' },
  },
  timeouts: TIMEOUTS,
  store: {
    state: 'ready',
    backing: { kind: 'device', directory: '/run/image', reason: 'image store on 254:0', mappingUuid: 'CRYPT-0' },
    device: { deviceId: '254:0', path: '/dev/vda', bytes: 2 ** 31, sectorBytes: 512, diskseq: '9' },
    mountPoint: '/run/image',
    mapping: undefined,
    cipher: 'capi:authenc(hmac(sha256),xts(aes))-plain64',
    integrity: 'hmac-sha256',
    space: { sizeBytes: 2 ** 31, usedBytes: 2 ** 20, availableBytes: 2 ** 30 },
    error: undefined,
    stuckPrograms: 0,
  },
};
