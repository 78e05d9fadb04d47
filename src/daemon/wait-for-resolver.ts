import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { SealiftError } from '../errors/index.ts';
import { parseReference } from '../oci/index.ts';

export interface ResolverPorts {
  /** Returns the text of /etc/resolv.conf; undefined: there is none. */
  readonly readResolvConf: () => string | undefined;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly nowMs: () => number;
  readonly onTimeout: (waitedMs: number) => void;
}

const POLL_MS = 100;

/**
 * Returns a function that waits until resolv.conf names a server. The kata agent mounts the pod's file over an empty one
 * some time after it has started the daemon, and a name that is looked up before that fails. It waits once in the life of
 * the process, at most `timeoutMs`.
 */
export function createResolverGate(
  timeoutMs: number,
  ports: ResolverPorts,
): (imageUrl: string, signal: AbortSignal) => Promise<void> {
  let isReady = false;
  return async (imageUrl, signal) => {
    if (isReady || !needsResolver(imageUrl)) return;
    const startedMs = ports.nowMs();
    for (;;) {
      isReady = hasNameserver(ports.readResolvConf() ?? '');
      if (isReady) return;
      signal.throwIfAborted();
      const waitedMs = ports.nowMs() - startedMs;
      if (waitedMs >= timeoutMs) return ports.onTimeout(waitedMs);
      await ports.sleep(POLL_MS, signal);
    }
  };
}

/** False for addresses, and for a text that is no reference, which the pull refuses with a better message. */
function needsResolver(imageUrl: string): boolean {
  try {
    const { domain } = parseReference(imageUrl);
    const host = domain.replace(/:[0-9]+$/, '');
    return host !== 'localhost' && isIP(host.replace(/^\[|\]$/g, '')) === 0;
  } catch (error) {
    if (error instanceof SealiftError) return false;
    throw error;
  }
}

/** https://man7.org/linux/man-pages/man5/resolv.conf.5.html: keywords begin the line. */
export function hasNameserver(resolvConf: string): boolean {
  return /^nameserver[ \t]+\S/m.test(resolvConf);
}

/** Returns the text of resolv.conf; undefined: the kata agent has not mounted it yet. */
export function readResolvConf(path: string): string | undefined {
  try {
    return readFileSync(path).toString('utf8');
  } catch {
    return undefined;
  }
}
