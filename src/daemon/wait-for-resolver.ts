import { constants, readFileSync, statSync } from 'node:fs';

export interface ResolverPorts {
  /** Returns the text of a file; undefined: there is none. */
  readonly readText: (path: string) => string | undefined;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly nowMs: () => number;
  readonly onTimeout: (waitedMs: number) => void;
}

const POLL_MS = 100;
const RESOLV_CONF = '/etc/resolv.conf';
const HOSTS = '/etc/hosts';

/**
 * Returns a function that waits until resolv.conf names a server. The kata agent mounts the pod's file over an empty one
 * some time after it has started the daemon, and a name that is looked up before that fails. The process waits once in
 * its life, for at most `timeoutMs` that all callers share, and never for a name that the hosts file has. It stops
 * waiting when the signal aborts.
 */
export function createResolverGate(
  timeoutMs: number,
  ports: ResolverPorts,
): (name: string, signal?: AbortSignal) => Promise<void> {
  let isOpen = false;
  let startedMs: number | undefined;
  return async (name, signal) => {
    for (;;) {
      isOpen ||= hasNameserver(ports.readText(RESOLV_CONF) ?? '');
      if (isOpen || signal?.aborted || hasHost(ports.readText(HOSTS) ?? '', name)) return;
      startedMs ??= ports.nowMs();
      const waitedMs = ports.nowMs() - startedMs;
      if (waitedMs >= timeoutMs) {
        isOpen = true;
        ports.onTimeout(waitedMs);
        return;
      }
      await ports.sleep(POLL_MS, signal);
    }
  };
}

/** https://man7.org/linux/man-pages/man5/resolv.conf.5.html: keywords begin the line. */
export function hasNameserver(resolvConf: string): boolean {
  return /^nameserver[ \t]+\S/m.test(resolvConf);
}

/** https://man7.org/linux/man-pages/man5/hosts.5.html: an address and its names; `#` begins a comment. */
export function hasHost(hosts: string, name: string): boolean {
  return hosts.split('\n').some((line) => {
    const [, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    return names.some((each) => each.toLowerCase() === name.toLowerCase());
  });
}

/** Opening a pipe without a writer does not block, should one take the place of a regular file. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Returns the text of a regular file; undefined when it cannot be read, as before the kata agent has mounted resolv.conf.
 * The read is synchronous, so that anything else could hold up the whole daemon.
 */
export function readTextIfAny(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path, { flag: WITHOUT_WAITING }).toString('utf8') : undefined;
  } catch {
    return undefined;
  }
}
