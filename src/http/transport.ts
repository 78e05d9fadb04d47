import { X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { SealiftError } from '../errors/index.ts';
import { streamBlob } from './blob.ts';
import { createProxyChoice } from './choose-proxy.ts';
import { fetchDocument } from './document.ts';
import type { Ranging, Wire } from './exchange.ts';
import { decidePace, type PaceRule } from './pace.ts';
import { createRangeBudget, createRangeBudgetMemory, type RangeBudget } from './range-budget.ts';
import { SlicePool } from './range-segment.ts';
import { createRouter } from './route.ts';
import { streamRange } from './stream-range.ts';
import type {
  AuthChallenge,
  HostSettings,
  HttpRequest,
  Transport,
  TransportClock,
  TransportLimits,
  TransportSettings,
} from './types.ts';

export interface TransportOptions {
  readonly limits: TransportLimits;
  readonly clock?: TransportClock;
  /** The budget that all threads of the process share. When absent, the transport has one of its own. */
  readonly rangeBudget?: RangeBudget;
  /** Lets tests choose the number of connections without measuring throughput. */
  readonly decidePace?: PaceRule;
}

export const SYSTEM_CLOCK: TransportClock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  random: () => Math.random(),
  sleep: (durationMs, signal) => sleep(durationMs, undefined, signal === undefined ? {} : { signal }),
};

function assertCertificates(pems: readonly string[], what: string): void {
  for (const [index, pem] of pems.entries()) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw new SealiftError('CONFIG_FILE_INVALID', `${what} ${index + 1}: expected PEM`, { cause });
    }
  }
}

/** Without this check, only the first handshake would show that certificate and key do not match. */
function assertHost({ host, extraRoots = [], clientCertificates = [] }: HostSettings): void {
  assertCertificates(extraRoots, `root certificate for ${host}`);
  for (const { certificate, key } of clientCertificates) {
    try {
      createSecureContext({ cert: certificate, key });
    } catch (cause) {
      const message = `client certificate for ${host}: expected a certificate and its key in PEM`;
      throw new SealiftError('CONFIG_FILE_INVALID', message, { cause });
    }
  }
}

function createRanging({ limits, rangeBudget, decidePace: rule = decidePace }: TransportOptions): Ranging {
  const ownBudget = {
    taken: createRangeBudgetMemory(),
    share: createRangeBudgetMemory(),
    maxBytes: limits.maxRangedInFlightBytes,
  };
  return {
    budget: rangeBudget ?? createRangeBudget(ownBudget),
    pool: new SlicePool(),
    decidePace: rule,
    idleMs: () => performance.eventLoopUtilization().idle,
  };
}

/**
 * Creates a transport on undici with HTTP/1.1 and keep-alive. Loading this module costs 40 MB, so only a worker should
 * do it. The caller closes the transport. Throws `CONFIG_FILE_INVALID` for an unusable certificate, key or proxy URL.
 */
export function createTransport(settings: TransportSettings, options: TransportOptions): Transport {
  assertCertificates(settings.extraRoots, 'extra root certificate');
  for (const host of settings.hosts ?? []) assertHost(host);
  const { limits, clock = SYSTEM_CLOCK } = options;
  const router = createRouter(settings, limits, createProxyChoice(settings.proxy));
  const wire: Wire = { route: router.route, limits, clock, ranging: createRanging(options) };

  function withOwnHeaders(request: HttpRequest): HttpRequest {
    const own = { 'accept-encoding': 'identity', 'user-agent': settings.userAgent };
    return { ...request, headers: { ...request.headers, ...own } };
  }

  return {
    fetchDocument: (request, maxBytes, signal) =>
      fetchDocument(wire, { request: withOwnHeaders(request), maxBytes, signal }),
    blobSource: ({ request, size, onUnauthorized }) => {
      const blob = {
        request: withOwnHeaders(request),
        size,
        onUnauthorized: async (challenge: AuthChallenge) => withOwnHeaders(await onUnauthorized(challenge)),
      };
      return {
        open: (delivery) => streamBlob(wire, { ...delivery, ...blob }),
        range: (range, delivery) => streamRange(wire, { ...delivery, ...blob }, range),
      };
    },
    close: () => router.close(),
  };
}
