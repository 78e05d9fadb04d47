import { createSecureContext, getCACertificates, rootCertificates, type SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import type { ChooseProxy } from './choose-proxy.ts';
import type { HttpProxy } from './parse-proxy.ts';
import { proxyUnreachable } from './proxy-fault.ts';
import { type Destroyable, type Dial, openTunnel, proxyAddress } from './tunnel.ts';
import type { TransportLimits, TransportSettings } from './types.ts';

/** Opens connections, and knows those that are not open yet, which undici gives no other way to end. */
export interface Connector {
  readonly connect: buildConnector.connector;
  /** Ends the connections to `origin` that are still being made; their requests fail with `reason`. */
  abandon(origin: string, reason: Error): void;
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

/** Connections without a proxy, or to one; with `httpSocket` TLS inside of another connection. */
function createDial(settings: TransportSettings, timeoutMs: number): Dial {
  const secureContext = lazySecureContext(settings);
  let plain: buildConnector.connector | undefined;
  let secure: buildConnector.connector | undefined;

  function connectorFor(protocol: string): buildConnector.connector {
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
  }

  return (options, callback) => {
    // undici's connector returns the socket at once, which its types leave out.
    const socket: unknown = connectorFor(options.protocol)(options, callback);
    return isDestroyable(socket) ? socket : undefined;
  };
}

/** Keeps an eye on the connections that `dial` has begun. */
function createConnector(dial: Dial): Connector {
  const pending = new Map<string, Set<Destroyable>>();

  return {
    connect(options, callback) {
      const origin = new URL(`${options.protocol}//${options.host}`).origin;
      const sockets = pending.get(origin) ?? new Set();
      pending.set(origin, sockets);
      const socket = dial(options, (...outcome) => {
        if (socket !== undefined) sockets.delete(socket);
        if (sockets.size === 0) pending.delete(origin);
        callback(...outcome);
      });
      if (socket !== undefined) sockets.add(socket);
    },
    abandon(origin, reason) {
      // Without an error a socket closes in silence, and undici waits for it for ever.
      for (const socket of pending.get(origin) ?? []) socket.destroy(reason);
    },
  };
}

export interface Connectors {
  /** To the origin that undici asks for, through a tunnel where a proxy stands before it. */
  readonly toOrigin: Connector;
  /** To `proxy` whatever undici asks for, for requests that the proxy is to read. */
  toProxy(proxy: HttpProxy): Connector;
}

export interface ConnectorOptions {
  readonly limits: Pick<TransportLimits, 'connectTimeoutMs' | 'maxProxyHeadBytes'>;
  readonly chooseProxy: ChooseProxy;
}

export function createConnectors(settings: TransportSettings, options: ConnectorOptions): Connectors {
  const { limits, chooseProxy } = options;
  const dial = createDial(settings, limits.connectTimeoutMs);
  const tunnelOptions = {
    dial,
    timeoutMs: limits.connectTimeoutMs,
    maxHeadBytes: limits.maxProxyHeadBytes,
    userAgent: settings.userAgent,
  };
  return {
    toOrigin: createConnector((target, callback) => {
      const proxy = chooseProxy(new URL(`${target.protocol}//${target.host}`));
      return proxy === undefined ? dial(target, callback) : openTunnel(target, { ...tunnelOptions, proxy }, callback);
    }),
    toProxy: (proxy) =>
      createConnector((_target, callback) =>
        dial(proxyAddress(proxy), (error, socket) => {
          if (error !== null) callback(proxyUnreachable(proxy, error), null);
          else callback(null, socket);
        }),
      ),
  };
}
