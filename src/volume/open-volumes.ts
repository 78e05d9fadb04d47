import { DiskVolumes } from './container-volumes.ts';
import { type DiskVolume, openVolume } from './open-volume.ts';
import type { ContainerVolumesPorts, ExpectedDevice, Volumes, VolumesSettings } from './types.ts';

/**
 * Opens the image store's volume and those of containers as an earlier run left them. A disk belongs to one of them at
 * most. Throws `VOLUME_STATE_INVALID`.
 */
export function openVolumes(settings: VolumesSettings, ports: Omit<ContainerVolumesPorts, 'findDiskUser'>): Volumes {
  let imageStore: DiskVolume | undefined;
  let containers: DiskVolumes | undefined;
  const findDiskUser = (disk: ExpectedDevice, claimant: object): string | undefined => {
    const isStore = imageStore !== claimant && imageStore?.uses(disk) === true;
    const user = isStore ? imageStore : containers?.findUser(disk, claimant);
    return user?.request?.mountPoint;
  };
  // The preparation of a restart begins with a wait for a lock, so that both are known before a disk is claimed.
  imageStore = openVolume(settings.imageStore, { ...ports, findDiskUser });
  containers = new DiskVolumes(settings, { ...ports, findDiskUser });
  const opened = { imageStore, containers };
  return {
    ...opened,
    close: () => {
      opened.imageStore.close();
      opened.containers.close();
    },
  };
}
