import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDaemonConfiguration } from '../../../src/config/index.ts';
import { volumesSettings } from '../../../src/daemon/index.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { readContainerVolumes, readVolumeStatus, type VolumeStatus } from '../../../src/volume/index.ts';
import type { PodVm } from './types.ts';

const STATE = '/run/sealift';

export interface GuestVolumes {
  readonly imageStore: VolumeStatus;
  readonly containers: readonly VolumeStatus[];
}

/**
 * Reads the daemon's records of its volumes as `sealift store status` reads them, but on the host, where it takes a
 * moment: a command of the CLI takes an emulated machine some seconds. Sizes are not measured.
 */
export async function readGuestVolumes(vm: PodVm, toml: string): Promise<GuestVolumes> {
  const folder = mkdtempSync(join(tmpdir(), 'guest-volumes-'));
  try {
    const bootId = await vm.mustRun(['cat', '/proc/sys/kernel/random/boot_id']);
    const script = `mkdir -p ${STATE} && cd ${STATE} && tar -c $(ls | grep '^volumes*$')`;
    const { stdout } = await vm.run(['sh', '-c', script]);
    if (stdout.length > 0) {
      const { status, stderr } = spawnSync('tar', ['-x', '-C', folder], { input: stdout, encoding: 'utf8' });
      if (status !== 0) throw new Error(`the records of the guest: ${stderr}`);
    }
    mkdirSync(join(folder, 'volume'), { recursive: true });
    const settings = settingsIn(folder, { toml, bootId: bootId.trim() });
    const ports = {
      runOperation: () => Promise.reject(new SealiftError('VOLUME_STALLED', 'the disk is in the guest')),
    };
    const imageStore = await readVolumeStatus(settings.imageStore, ports);
    return { imageStore, containers: await readContainerVolumes(settings, ports) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The daemon's settings, except that its records lie in `folder`. */
function settingsIn(folder: string, { toml, bootId }: { readonly toml: string; readonly bootId: string }) {
  const configuration = loadDaemonConfiguration({
    file: { path: '/run/sealiftd.toml', text: toml },
    environment: {},
    kernelCommandLine: '',
    imagepullerFile: join(folder, 'absent.toml'),
  });
  const settings = volumesSettings(configuration, DEFAULT_LIMITS, bootId);
  const imageStore = { ...settings.imageStore, stateDir: join(folder, 'volume') };
  return { ...settings, imageStore, containersDir: join(folder, 'volumes') };
}
