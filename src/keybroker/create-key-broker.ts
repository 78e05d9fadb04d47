import { createHash } from 'node:crypto';
import type { KeyBrokerSettings } from '../config/index.ts';
import { assertNever, SealiftError } from '../errors/index.ts';
import type { BrokerCall, ResourceBroker, ResourceSource } from '../resources/index.ts';
import { createHubSource } from './hub-source.ts';
import { createKbsSource } from './kbs-source.ts';
import { createOfflineSource } from './offline-source.ts';
import { SharedFetches } from './shared-fetches.ts';
import type { BrokerPorts, BrokerSource } from './types.ts';

export interface KeyBrokerPorts extends Omit<BrokerPorts, 'nowMs'> {
  /** Returns what holds now; undefined for a program that has no key broker. */
  readonly keyBroker: (() => KeyBrokerSettings) | undefined;
  readonly nowMs?: BrokerPorts['nowMs'];
}

/** Answers that are kept, together: four of the largest ones. */
const KEPT_RESOURCES = 4;

const SOURCES: Readonly<Record<KeyBrokerSettings['kind'], ResourceSource>> = {
  ...{ hub: 'hub', kbs: 'kbs', files: 'offline', none: 'none' },
};

interface OpenSource {
  readonly settings: KeyBrokerSettings;
  readonly source: BrokerSource;
  readonly fetches: SharedFetches;
}

// docs/adr/0030-key-broker.md
/**
 * Fetches resources from the one source that the configuration names. Each is asked for once at a time and kept for a few
 * minutes, in memory only. When the configuration is loaded again, everything that was fetched is forgotten.
 */
export function createKeyBroker(ports: KeyBrokerPorts): ResourceBroker {
  let open: OpenSource | undefined;
  const current = (subject: string, { onSource }: BrokerCall): OpenSource => {
    const settings = ports.keyBroker?.();
    if (settings === undefined) {
      throw new SealiftError('CONFIG_UNSUPPORTED', `${subject}: only the daemon can ask a key broker`, {
        hint: 'on the command line, name a file with the document instead',
      });
    }
    onSource?.(SOURCES[settings.kind]);
    if (open?.settings === settings) return open;
    open?.fetches.close();
    open = openSource(settings, { nowMs: () => performance.now(), ...ports });
    return open;
  };
  return {
    fetchResource: async (resource, call) => {
      const { source, fetches } = current(resource.uri, call);
      const { signal, waitForName } = call;
      return fetches.get(resource.uri, (own) => source.fetchResource(resource, { signal: own, waitForName }), signal);
    },
    unsealSecret: async (secret, call) => {
      const { source, fetches } = current('a sealed secret', call);
      const { signal } = call;
      const { unsealSecret } = source;
      if (unsealSecret === undefined) {
        const hint = 'name the socket of a confidential-data-hub in api.passthrough_socket';
        const message = 'a sealed secret: expected a confidential-data-hub that opens it, got another key broker';
        throw new SealiftError('CONFIG_UNSUPPORTED', message, { hint });
      }
      return fetches.get(
        `sealed secret ${fingerprint(secret)}`,
        (own) => unsealSecret(secret, { signal: own }),
        signal,
      );
    },
  };
}

/** The key of a sealed secret is shown in messages, and no part of the secret may be. */
function fingerprint(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function openSource(settings: KeyBrokerSettings, ports: BrokerPorts): OpenSource {
  const source = createSource(settings, ports);
  const { keyBrokerTtlMs, keyBrokerTimeoutMs, maxResourceBytes } = ports.limits;
  const fetches = new SharedFetches({
    ttlMs: source.isRemote ? keyBrokerTtlMs : 0,
    timeoutMs: keyBrokerTimeoutMs,
    maxBytes: KEPT_RESOURCES * maxResourceBytes,
    nowMs: ports.nowMs,
  });
  return { settings, source, fetches };
}

function createSource(settings: KeyBrokerSettings, ports: BrokerPorts): BrokerSource {
  switch (settings.kind) {
    case 'hub':
      return createHubSource(settings.socketPath, ports.limits);
    case 'kbs':
      return createKbsSource(settings, ports);
    case 'files':
      return createOfflineSource(settings.paths, ports.limits);
    case 'none':
      return refusing(settings);
    default:
      return assertNever(settings, 'key broker');
  }
}

function refusing({ code, reason, hint }: Extract<KeyBrokerSettings, { kind: 'none' }>): BrokerSource {
  const refuse = async (subject: string): Promise<never> => {
    throw new SealiftError(code, `${subject}: ${reason}`, { hint });
  };
  return {
    isRemote: false,
    fetchResource: ({ uri }) => refuse(uri),
    unsealSecret: () => refuse('a sealed secret'),
  };
}
