import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { unmountFailed } from '../../../src/snapshot/mount-failed.ts';

function refusal(errno: string): SealiftError {
  return new SealiftError('PLATFORM_CALL_FAILED', `umount: got ${errno}`, { context: { errno } });
}

describe('unmountFailed', () => {
  it('says of a mount that is in use how to find its user, since the kernel log has nothing about it', () => {
    const error = unmountFailed('/b/rootfs', refusal('EBUSY'));
    expect(error).toMatchObject({ code: 'SNAPSHOT_MOUNT_FAILED', context: { errno: 'EBUSY', path: '/b/rootfs' } });
    expect(error.message).toContain('unmount /b/rootfs: expected that nothing uses it');
    expect(error.hint).toContain('fuser -vm /b/rootfs');
    expect(error.hint).not.toContain('dmesg');
  });

  it('has the hint of the code for any other failure', () => {
    const error = unmountFailed('/b/rootfs', refusal('EPERM'));
    expect(error.message).toBe('unmount /b/rootfs: umount: got EPERM');
    expect(error.hint).toContain('dmesg');
  });
});
