export interface MountWatchPorts {
  /** Returns the text of /proc/self/mountinfo. */
  readonly readMountinfo: () => string;
  /** Called when an overlay was unmounted since the last look, or may have been. */
  readonly onUnmount: () => Promise<void>;
}

/** Finds overlays that were unmounted, in one look at a time. */
export interface MountWatch {
  look(): Promise<void>;
  /** Announces a mount that may be gone before the next look has seen it. */
  expect(): void;
}

/**
 * The kernel sends no event that reaches this thread when a container's rootfs is unmounted. Reading the list of mounts
 * once a second costs less than a thread that waits for a change.
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

/** Returns the mount ids, https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html field 1, of all overlays. */
function overlayIds(mountinfo: string): ReadonlySet<string> {
  const overlays = mountinfo.split('\n').filter((line) => line.includes(' - overlay '));
  return new Set(overlays.map((line) => line.slice(0, line.indexOf(' '))));
}
