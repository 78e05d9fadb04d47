import type { KeyBrokerSettings } from '../../../src/config/index.ts';
import { createKeyBroker } from '../../../src/keybroker/index.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import { createResourceLoader, type ResourceLoader } from '../../../src/resources/index.ts';
import { Scratch } from '../machine/scratch.ts';
import { quickTransport } from '../registries/http-fixture.ts';
import { makeTestCertificates, type TestCertificates } from '../registries/test-certificates.ts';
import { AttestationAgent, makeAgentKeys } from './attestation-agent.ts';
import { KbsServer } from './kbs-server.ts';
import { ResourceHub } from './resource-hub.ts';

export const RESOURCE = 'kbs:///default/policy/1';
/** What the key broker and the hub of the bed have under {@link RESOURCE}. */
export const CONTENT = 'the content of a resource';
export const REQUEST = { what: 'policy', maxBytes: 1_000_000, code: 'POLICY_INVALID' } as const;

interface BrokerServers {
  readonly agent: AttestationAgent;
  readonly kbs: KbsServer;
  readonly hub: ResourceHub;
}

/** A key broker, an attestation agent and a hub on loopback, and loaders that ask them, on a clock that the test sets. */
export class BrokerBed implements AsyncDisposable {
  readonly certificates: TestCertificates;
  readonly agent: AttestationAgent;
  readonly kbs: KbsServer;
  readonly hub: ResourceHub;
  readonly scratch: Scratch;
  nowMs = 0;
  readonly #stack: AsyncDisposableStack;

  private constructor(scratch: Scratch, certificates: TestCertificates, servers: BrokerServers) {
    this.scratch = scratch;
    this.certificates = certificates;
    this.agent = servers.agent;
    this.kbs = servers.kbs;
    this.hub = servers.hub;
    this.#stack = new AsyncDisposableStack();
    this.#stack.use(scratch);
    for (const server of Object.values(servers)) this.#stack.use(server);
  }

  static async open(certificates: TestCertificates = makeTestCertificates()): Promise<BrokerBed> {
    const scratch = new Scratch('keybroker');
    const keys = makeAgentKeys();
    const agent = await AttestationAgent.start(scratch.join('aa.sock'), keys);
    const kbs = await KbsServer.start(certificates.server, keys.publicKey);
    const hub = await ResourceHub.start(scratch.join('hub.sock'));
    kbs.resources.set('resource/default/policy/1', Buffer.from(CONTENT));
    hub.resources.set(RESOURCE, Buffer.from(CONTENT));
    return new BrokerBed(scratch, certificates, { agent, kbs, hub });
  }

  get hubSettings(): KeyBrokerSettings {
    return { kind: 'hub', socketPath: this.scratch.join('hub.sock') };
  }

  get kbsSettings(): Extract<KeyBrokerSettings, { kind: 'kbs' }> {
    const agentSocketPath = this.scratch.join('aa.sock');
    return { kind: 'kbs', url: this.kbs.url, certificates: [this.certificates.authority], agentSocketPath };
  }

  /** A loader that asks the source of these settings; a function is asked at each load. */
  loader(
    settings: KeyBrokerSettings | (() => KeyBrokerSettings) | undefined,
    limits: Partial<Limits> = {},
  ): ResourceLoader {
    return createResourceLoader(async () =>
      createKeyBroker({
        keyBroker: settings === undefined || typeof settings === 'function' ? settings : () => settings,
        pool: { httpClient: ({ extraRoots, systemRoots = true }) => quickTransport({ extraRoots, systemRoots }) },
        limits: { ...DEFAULT_LIMITS, ...limits },
        userAgent: 'sealift-test',
        nowMs: () => this.nowMs,
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
