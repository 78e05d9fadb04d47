import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import {
  defineMessage,
  fail,
  type Method,
  type MethodCall,
  openTtrpcServer,
  type Reply,
  STATUS,
  succeed,
  type TtrpcServer,
} from '../../../src/ttrpc/index.ts';
import { bytesField, textField } from '../../../src/ttrpc/message.ts';

const path = defineMessage('GetResourceRequest', { path: textField(1, 1024) });
const bytes = defineMessage('bytes', { bytes: bytesField(1) });

/** Does not answer before the client has gone or the server stops. */
export const hang: Method = ({ signal }) => {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
};

/** A confidential-data-hub on a socket, which has these resources and opens these secrets. */
export class ResourceHub implements AsyncDisposable {
  /** By URI. */
  readonly resources = new Map<string, Uint8Array>();
  readonly secrets = new Map<string, Uint8Array>();
  readonly asked: string[] = [];
  /** When set, it answers every call. */
  misbehave: Method | undefined;
  #server: TtrpcServer | undefined;

  static async start(socketPath: string): Promise<ResourceHub> {
    const hub = new ResourceHub();
    const resource = (call: MethodCall) => hub.#answer(call, path.decode(call.payload).path, hub.resources);
    const secret = (call: MethodCall) =>
      hub.#answer(call, Buffer.from(bytes.decode(call.payload).bytes).toString(), hub.secrets);
    hub.#server = await openTtrpcServer({
      path: socketPath,
      services: new Map([
        ['api.GetResourceService', new Map([['GetResource', resource]])],
        ['api.SealedSecretService', new Map([['UnsealSecret', secret]])],
      ]),
      limits: DEFAULT_LIMITS,
      onFault: () => undefined,
    });
    return hub;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.stop(0);
  }

  async #answer(call: MethodCall, name: string, known: ReadonlyMap<string, Uint8Array>): Promise<Reply> {
    this.asked.push(name);
    if (this.misbehave !== undefined) return this.misbehave(call);
    const found = known.get(name);
    // As confidential-data-hub answers every failure.
    if (found === undefined) return fail(STATUS.INTERNAL, '[CDH] [ERROR]: Get Resource failed');
    return succeed(bytes.encode({ bytes: found }));
  }
}
