import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Credentials, createRegistrySource } from '../../../src/registry/index.ts';
import type { ImageSource } from '../../../src/registry/types.ts';
import type { FakeRegistry } from './fake-registry.ts';
import { type QuickTransportOptions, quickTransport } from './http-fixture.ts';

/** A clock that a test moves on by hand. */
export interface HandClock {
  now(): number;
  nowMs: number;
}

export function handClock(): HandClock {
  return {
    nowMs: 0,
    now() {
      return this.nowMs;
    },
  };
}

export interface SourceFixtureOptions {
  /** The domain to use instead of the registry's own address. */
  readonly domain?: string;
  readonly path?: string;
  readonly credentials?: Credentials;
  readonly missingCredentialsHint?: string;
  readonly allowHttp?: boolean;
  readonly clock?: HandClock;
  readonly transport?: QuickTransportOptions;
}

/** A source for one repository of a fake registry, over a transport of its own. */
export function openSource(registry: FakeRegistry, options: SourceFixtureOptions = {}) {
  const {
    domain = registry.host,
    path = 'team/app',
    credentials,
    missingCredentialsHint,
    allowHttp = true,
    clock = handClock(),
    transport = {},
  } = options;
  const http = quickTransport({ tlsVerify: !allowHttp, ...transport });
  const reference = { domain, path };
  const limits = DEFAULT_LIMITS;
  const common = { reference, http, allowHttp, limits, clock };
  const source: ImageSource = createRegistrySource({ ...common, credentials, missingCredentialsHint });
  return { source, http, close: () => http.close() };
}
