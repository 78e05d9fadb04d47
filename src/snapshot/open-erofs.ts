import {
  closeFd,
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsmount,
  fsopen,
  MOUNT_ATTR,
} from '../platform/index.ts';

/**
 * A mount of the EROFS image on a block device that is attached nowhere yet: closing the descriptor, also by dying,
 * ends it. Neither nosuid nor nodev: what the image says must hold in the container.
 * https://docs.kernel.org/filesystems/erofs.html
 */
export function openErofs(device: string): number {
  const context = fsopen('erofs');
  try {
    fsconfigString(context, 'source', device);
    fsconfigFlag(context, 'ro');
    fsconfigCreate(context);
    return fsmount(context, MOUNT_ATTR.RDONLY);
  } finally {
    closeFd(context);
  }
}
