import { createSecureContext, getCACertificates, rootCertificates, type SecureContextOptions } from 'node:tls';
import { buildConnector } from 'undici';
import type { ChooseProxy } from './choose-proxy.ts';
import { type Destroyable, type Dial, proxyAddress } from './dial.ts';
import { createHostChoice } from './host-settings.ts';
import type { HttpProxy } from './parse-proxy.ts';
import { proxyUnreachable } from './proxy-fault.ts';
import { openTunnel } from './tunnel.ts';
import type { HostSettings, TransportLimits, TransportSettings } from './types.ts';

/** Opens connections and tracks those that are not open yet, since undici has no other way to end them. */
export interface Connector {
  readonly connect: buildConnector.connector;
  /** Ends the connections to `origin` that are not open yet. Their requests fail with `reason`. */
  abandon(origin: string, reason: Error): void;
}

function isDestroyable(value: unknown): value is Destroyable {
  return typeof value === 'object' && value !== null && 'destroy' in value && typeof value.destroy === 'function';
}

/** Returns the trusted roots. On a machine without a system store these are the roots that Node was built with. */
function trustedRoots({ extraRoots, systemRoots = true }: TransportSettings, host: HostSettings | undefined): string[] {
  const extra = [...extraRoots, ...(host?.extraRoots ?? [])];
  if (!systemRoots) return extra;
  const system = getCACertificates('system');
  return [...new Set([...(system.length > 0 ? system : rootCertificates), ...extra])];
}

/** Returns the client certificates for a host. The handshake chooses one by the type of key that the server accepts. */
function identity(host: HostSettings | undefined): SecureContextOptions {
  const pairs = host?.clientCertificates ?? [];
  if (pairs.length === 0) return {};
  return { cert: pairs.map(({ certificate }) => certificate), key: pairs.map(({ key }) => key) };
}

/** Reading the roots takes 60 ms and 8 MB, so it is done only once, for the first https connection. */
function openSecureConnector(
  settings: TransportSettings,
  host: HostSettings | undefined,
  timeout: number,
): buildConnector.connector {
  const isVerified = settings.tlsVerify && host?.tlsVerify !== false;
  // Without verification the roots are not needed.
  const ca = isVerified ? trustedRoots(settings, host) : [];
  const secureContext = createSecureContext({ ca, ...identity(host), minVersion: 'TLSv1.2' });
  return buildConnector({ timeout, allowH2: false, rejectUnauthorized: isVerified, secureContext });
}

/** Opens connections to servers and proxies; with `httpSocket`, TLS inside another connection. */
function createDial(settings: TransportSettings, timeoutMs: number): Dial {
  const settingsOf = createHostChoice(settings);
  let plain: buildConnector.connector | undefined;
  // One connector for each host with settings of its own, and one for all others. Each has its own TLS sessions.
  const secure = new Map<HostSettings | undefined, buildConnector.connector>();

  function connectorFor(target: buildConnector.Options): buildConnector.connector {
    if (target.protocol !== 'https:') {
      plain ??= buildConnector({ timeout: timeoutMs, allowH2: false });
      return plain;
    }
    const host = settingsOf(target);
    const connector = secure.get(host) ?? openSecureConnector(settings, host, timeoutMs);
    secure.set(host, connector);
    return connector;
  }

  return (options, callback) => {
    // undici's connector returns the socket at once, which its types do not declare.
    const socket: unknown = connectorFor(options)(options, callback);
    return isDestroyable(socket) ? socket : undefined;
  };
}

/** Tracks the connections that `dial` has begun to open. */
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
      // A socket that is destroyed without an error closes without an event, and undici would wait for ever.
      for (const socket of pending.get(origin) ?? []) socket.destroy(reason);
    },
  };
}

export interface Connectors {
  /** Connects to the origin that undici asks for, through a tunnel if a proxy is configured for it. */
  readonly toOrigin: Connector;
  /** Connects to `proxy` whatever origin undici asks for. For requests that the proxy reads. */
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
