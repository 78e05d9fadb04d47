import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import {
  defineMessage,
  type Method,
  type MethodCall,
  openTtrpcServer,
  type Reply,
  succeed,
  type TtrpcServer,
} from '../../../src/ttrpc/index.ts';
import { bytesField, textField } from '../../../src/ttrpc/message.ts';

const request = defineMessage('GetTokenRequest', { tokenType: textField(1, 1024) });
const response = defineMessage('GetTokenResponse', { token: bytesField(1) });

export interface AgentKeys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export function makeAgentKeys(namedCurve = 'P-256'): AgentKeys {
  return generateKeyPairSync('ec', { namedCurve });
}

/** An attestation agent on a socket, which gives another token at each call and measures what it is told. */
export class AttestationAgent implements AsyncDisposable {
  keys: AgentKeys;
  /** The tokens that were given, in order. */
  readonly tokens: string[] = [];
  /** When set, it answers every call. */
  misbehave: Method | undefined;
  /** The kinds of token that were asked for. */
  readonly asked: string[] = [];
  #server: TtrpcServer | undefined;

  private constructor(keys: AgentKeys) {
    this.keys = keys;
  }

  static async start(path: string, keys: AgentKeys): Promise<AttestationAgent> {
    const agent = new AttestationAgent(keys);
    agent.#server = await openTtrpcServer({
      path,
      services: new Map([
        [
          'attestation_agent.AttestationAgentService',
          new Map([
            ['GetToken', (call: MethodCall) => agent.#answer(call)],
            ['ExtendRuntimeMeasurement', async () => succeed(new Uint8Array(0))],
          ]),
        ],
      ]),
      limits: DEFAULT_LIMITS,
      onFault: () => undefined,
    });
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.stop(0);
  }

  /** The answer of `GetToken` with one's own token. */
  static tokenReply(token: string, { privateKey }: AgentKeys): Reply {
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
    return AttestationAgent.rawReply(JSON.stringify({ token, tee_keypair: pem }));
  }

  /** The answer of `GetToken` with any text. */
  static rawReply(text: string): Reply {
    return succeed(response.encode({ token: Buffer.from(text) }));
  }

  async #answer(call: MethodCall): Promise<Reply> {
    this.asked.push(request.decode(call.payload).tokenType);
    if (this.misbehave !== undefined) return this.misbehave(call);
    const token = `header.token-number-${this.asked.length}.signature`;
    this.tokens.push(token);
    return AttestationAgent.tokenReply(token, this.keys);
  }
}
