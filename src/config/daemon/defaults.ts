import { API_SERVICES, type ApiSocket, type IntegrityAlgorithm, type MemorySize } from './types.ts';

const CDH_SOCKET = '/run/confidential-containers/cdh.sock';

/** The values of settings that the daemon's file does not set, by their paths in it. */
export const DAEMON_DEFAULTS = {
  'volume.devices': ['/dev/image_store', '/dev/trusted_store'] as readonly string[],
  'volume.wait_ms': 0,
  'volume.required': true,
  'volume.integrity': 'hmac-sha256' as IntegrityAlgorithm,
  'volume.mount_point': '/run/kata-containers/image',
  // Where the kata agent wants the emptyDir volumes of a pod.
  'volume.mount_roots': ['/run/kata-containers/sandbox/storage'] as readonly string[],
  'volume.memory_mount_point': '/run/kata-containers/image-memory',
  'volume.memory_size': { kind: 'percent', percent: 50 } as MemorySize,
  'volume.allow_directory_layers': false,
  // The kata agent waits for this socket.
  'api.sockets': [{ path: CDH_SOCKET, services: API_SERVICES }] as readonly ApiSocket[],
  'api.bundle_roots': ['/run/kata-containers'] as readonly string[],
  'api.aa_socket': '/run/confidential-containers/attestation-agent/attestation-agent.sock',
  // A kubelet requests about 8 pulls at a time; more would only share the same cores and memory.
  'api.max_pulls': 8,
  'keybroker.offline_files': [] as readonly string[],
} as const;
