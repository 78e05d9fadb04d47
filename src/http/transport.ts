import { X509Certificate } from 'node:crypto';
import { SealiftError } from '../errors/index.ts';
import { streamBlob } from './blob.ts';
import { createProxyChoice } from './choose-proxy.ts';
import { fetchDocument } from './document.ts';
import type { Wire } from './exchange.ts';
import { createRouter } from './route.ts';
import { SYSTEM_CLOCK } from './system-clock.ts';
import type { HttpRequest, Transport, TransportClock, TransportLimits, TransportSettings } from './types.ts';

export interface TransportOptions {
  readonly limits: TransportLimits;
  readonly clock?: TransportClock;
}

function assertCertificates(pems: readonly string[]): void {
  for (const [index, pem] of pems.entries()) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw new SealiftError('CONFIG_FILE_INVALID', `extra root certificate ${index + 1}: expected PEM`, { cause });
    }
  }
}

/**
 * Connections over undici, HTTP/1.1 and kept alive. Loading this module costs 40 MB, so it belongs into a worker. Throws
 * `CONFIG_FILE_INVALID` for an extra root that is no certificate or a proxy that is no URL. The caller closes it.
 */
export function createTransport(settings: TransportSettings, options: TransportOptions): Transport {
  assertCertificates(settings.extraRoots);
  const { limits, clock = SYSTEM_CLOCK } = options;
  const router = createRouter(settings, limits, createProxyChoice(settings.proxy));
  const wire: Wire = { route: router.route, limits, clock };

  function withOwnHeaders(request: HttpRequest): HttpRequest {
    const own = { 'accept-encoding': 'identity', 'user-agent': settings.userAgent };
    return { ...request, headers: { ...request.headers, ...own } };
  }

  return {
    fetchDocument: (request, maxBytes, signal) => fetchDocument(wire, withOwnHeaders(request), maxBytes, signal),
    streamBlob: (stream) =>
      streamBlob(wire, {
        ...stream,
        request: withOwnHeaders(stream.request),
        onUnauthorized: async (challenge) => withOwnHeaders(await stream.onUnauthorized(challenge)),
      }),
    close: () => router.close(),
  };
}
