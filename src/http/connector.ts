import { createSecureContext, getCACertificates, rootCertificates, type SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import type { TransportSettings } from './types.ts';

/** Opens connections, and knows those that are not open yet, which undici gives no other way to end. */
export interface Connector {
  readonly connect: buildConnector.connector;
  /** Ends the connections to `origin` that are still being made; their requests fail with `reason`. */
  abandon(origin: string, reason: Error): void;
}

interface Destroyable {
  destroy(reason: Error): unknown;
}

function isDestroyable(value: unknown): value is Destroyable {
  return typeof value === 'object' && value !== null && 'destroy' in value && typeof value.destroy === 'function';
}

/** A machine without a system store gets the roots that Node was built with. */
function trustedRoots(extraRoots: readonly string[]): string[] {
  const system = getCACertificates('system');
  return [...new Set([...(system.length > 0 ? system : rootCertificates), ...extraRoots])];
}

/** Reading the roots takes 60 ms and 8 MB, so the first https connection does it, and only that one. */
function lazySecureContext(settings: TransportSettings): () => SecureContext {
  let context: SecureContext | undefined;
  return () => {
    // Roots that nothing is checked against need not be read.
    const ca = settings.tlsVerify ? trustedRoots(settings.extraRoots) : [];
    context ??= createSecureContext({ ca, minVersion: 'TLSv1.2' });
    return context;
  };
}

function lazyConnector(settings: TransportSettings, timeoutMs: number): (protocol: string) => buildConnector.connector {
  const secureContext = lazySecureContext(settings);
  let plain: buildConnector.connector | undefined;
  let secure: buildConnector.connector | undefined;
  return (protocol) => {
    if (protocol === 'https:') {
      secure ??= buildConnector({
        timeout: timeoutMs,
        allowH2: false,
        rejectUnauthorized: settings.tlsVerify,
        secureContext: secureContext(),
      });
      return secure;
    }
    plain ??= buildConnector({ timeout: timeoutMs, allowH2: false });
    return plain;
  };
}

export function createConnector(settings: TransportSettings, timeoutMs: number): Connector {
  const connectorFor = lazyConnector(settings, timeoutMs);
  const pending = new Map<string, Set<Destroyable>>();

  return {
    connect(options, callback) {
      const origin = new URL(`${options.protocol}//${options.host}`).origin;
      const sockets = pending.get(origin) ?? new Set();
      pending.set(origin, sockets);
      // undici's connector returns the socket at once, which its types leave out.
      const socket: unknown = connectorFor(options.protocol)(options, (...outcome) => {
        if (isDestroyable(socket)) sockets.delete(socket);
        if (sockets.size === 0) pending.delete(origin);
        callback(...outcome);
      });
      if (isDestroyable(socket)) sockets.add(socket);
    },
    abandon(origin, reason) {
      // Without an error a socket closes in silence, and undici waits for it for ever.
      for (const socket of pending.get(origin) ?? []) socket.destroy(reason);
    },
  };
}
