/** Flags of mount(2). */
export const MS = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  REMOUNT: 0x20,
  NOATIME: 0x400,
  BIND: 0x1000,
  REC: 0x4000,
  PRIVATE: 0x40000,
} as const;

/** A flag of open(2), the same on every architecture; node:fs has no constant for it. */
export const O_PATH = 0o10000000;

/** Flags of umount2(2). */
export const MNT = { DETACH: 0x2, NOFOLLOW: 0x8 } as const;

/** Attributes of fsmount(2). */
export const MOUNT_ATTR = { RDONLY: 0x1, NOSUID: 0x2, NODEV: 0x4, NOEXEC: 0x8, NOATIME: 0x10 } as const;

/** Operations of flock(2). */
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;

/** File types in the mode of mknod(2). */
export const S_IFMT = { FIFO: 0o010000, CHAR: 0o020000, BLOCK: 0o060000 } as const;

/** System call numbers added since Linux 5.2 are equal on every architecture (asm-generic/unistd.h). */
export const NR = { move_mount: 429n, fsopen: 430n, fsconfig: 431n, fsmount: 432n, openat2: 437n } as const;

/** https://man7.org/linux/man-pages/man7/unix.7.html: two bytes of family, then at most 108 bytes of path. */
export const SUN_PATH = { offset: 2, maxBytes: 108 } as const;

/** The size of struct timex on 64-bit machines, and the result for a clock that is not synchronised. */
export const TIMEX_BYTES = 208;
export const TIME_ERROR = 5;
