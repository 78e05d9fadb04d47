export interface MountWatchPorts {
  /** The text of /proc/self/mountinfo. */
  readonly readMountinfo: () => string;
  /** Some overlay was unmounted since the last look, or may have been. Its failures are its own. */
  readonly onUnmount: () => Promise<void>;
}

/** Looks for overlays that were unmounted; one look at a time. */
export interface MountWatch {
  look(): Promise<void>;
  /** One was mounted, which may be gone before the next look has seen it. */
  expect(): void;
}

/**
 * Nobody tells us when a container's rootfs is unmounted. Reading the list of mounts once a second costs less than a
 * thread that waits for it to change.
 */
export function createMountWatch(ports: MountWatchPorts): MountWatch {
  let known: ReadonlySet<string> = new Set();
  let isLooking = false;
  let isExpected = false;
  return {
    expect: () => {
      isExpected = true;
    },
    look: async () => {
      if (isLooking) return;
      isLooking = true;
      try {
        const mounted = overlayIds(ports.readMountinfo());
        const isGone = isExpected || [...known].some((id) => !mounted.has(id));
        known = mounted;
        isExpected = false;
        if (isGone) await ports.onUnmount();
      } finally {
        isLooking = false;
      }
    },
  };
}

/** Mount ids, https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html field 1, of all overlays. */
function overlayIds(mountinfo: string): ReadonlySet<string> {
  const overlays = mountinfo.split('\n').filter((line) => line.includes(' - overlay '));
  return new Set(overlays.map((line) => line.slice(0, line.indexOf(' '))));
}
