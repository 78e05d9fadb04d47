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
 * Opens a mount of the EROFS image on a block device that is not attached to a directory yet. Closing the descriptor
 * ends the mount, and so does the end of the process. It is neither nosuid nor nodev, because modes and devices of the image
 * must work in the container.
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
