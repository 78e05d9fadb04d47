import { SealiftError } from '../../../src/errors/index.ts';
import { createTransport } from '../../../src/http/transport.ts';
import type {
  BlobStream,
  HttpRequest,
  ProxySettings,
  Transport,
  TransportClock,
  TransportLimits,
} from '../../../src/http/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';

/** A clock on which time passes without waiting for retries: the pauses are recorded instead. */
export interface RecordingClock extends TransportClock {
  readonly pauses: number[];
}

export function recordingClock(random = 1): RecordingClock {
  const pauses: number[] = [];
  return {
    pauses,
    now: () => performance.now(),
    wallNow: () => Date.UTC(2026, 0, 1),
    random: () => random,
    sleep(durationMs) {
      pauses.push(durationMs);
      return Promise.resolve();
    },
  };
}

/**
 * Time limits for tests that wait for a timeout; all others keep the real ones, which a loaded machine does not reach.
 */
export const IMPATIENT = { headersTimeoutMs: 1_500, stallTimeoutMs: 1_500 };

export interface QuickTransportOptions {
  readonly limits?: Partial<TransportLimits>;
  readonly clock?: TransportClock;
  readonly tlsVerify?: boolean;
  readonly extraRoots?: readonly string[];
  readonly systemRoots?: boolean;
  readonly proxy?: ProxySettings;
}

export function quickTransport(options: QuickTransportOptions = {}): Transport {
  const { limits = {}, clock = recordingClock(), tlsVerify = true, extraRoots = [], proxy = {} } = options;
  const { systemRoots = true } = options;
  const settings = { tlsVerify, extraRoots, systemRoots, userAgent: 'sealift-test', proxy };
  return createTransport(settings, { limits: { ...DEFAULT_LIMITS, ...limits }, clock });
}

export function get(url: string, headers: Record<string, string> = {}): HttpRequest {
  return { url, method: 'GET', headers, allowHttp: true };
}

/** Writes a whole blob. */
export function streamBlob(transport: Transport, stream: BlobStream): Promise<void> {
  return transport.blobSource(stream).open(stream);
}

/** A stream that collects what arrives and answers no challenge. */
export function collecting(request: HttpRequest, size: number): BlobStream & { received(): Buffer } {
  const chunks: Buffer[] = [];
  return {
    request,
    size,
    write(chunk) {
      chunks.push(Buffer.from(chunk));
    },
    received: () => Buffer.concat(chunks),
    onUnauthorized: () => Promise.reject(new SealiftError('REGISTRY_AUTH_REJECTED', 'no credentials in this test')),
    blockedMs: () => 0,
    signal: new AbortController().signal,
  };
}
