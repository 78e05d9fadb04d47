import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Method, type MethodCall, openTtrpcServer, succeed, type TtrpcServer } from '../../../src/ttrpc/index.ts';
import type { TtrpcLimits } from '../../../src/ttrpc/types.ts';
import { Scratch } from '../machine/scratch.ts';
import { RawPeer } from './raw-peer.ts';

/** A call of `Hang`, which does not end by itself. */
export interface HangingCall {
  readonly call: MethodCall;
  /** Resolves with the reason when the signal aborts. */
  readonly aborted: Promise<SealiftError>;
  finish(): void;
}

/** A server with methods that answer, fail, wait for the test and ignore everything; all with `test.Service`. */
export class TtrpcFixture implements AsyncDisposable {
  readonly path: string;
  readonly faults: SealiftError[] = [];
  readonly server: TtrpcServer;
  readonly #scratch: Scratch;
  readonly #hanging: HangingCall[];
  #wake: () => void;
  readonly #peers: RawPeer[] = [];

  private constructor(parts: {
    scratch: Scratch;
    server: TtrpcServer;
    hanging: HangingCall[];
    faults: SealiftError[];
    onWake: (wake: () => void) => void;
  }) {
    this.#scratch = parts.scratch;
    this.server = parts.server;
    this.path = parts.server.path;
    this.#hanging = parts.hanging;
    this.faults = parts.faults;
    this.#wake = () => {};
    parts.onWake(() => this.#wake());
  }

  static async open(limits: Partial<TtrpcLimits> = {}): Promise<TtrpcFixture> {
    const scratch = new Scratch('ttrpc');
    const hanging: HangingCall[] = [];
    const faults: SealiftError[] = [];
    let wake = () => {};
    const server = await openTtrpcServer({
      path: scratch.join('run', 'test.sock'),
      services: new Map([['test.Service', methods(hanging, () => wake())]]),
      limits: { ...DEFAULT_LIMITS, ...limits },
      onFault: (fault) => faults.push(fault),
    });
    return new TtrpcFixture({
      ...{ scratch, server, hanging, faults },
      onWake: (next) => {
        wake = next;
      },
    });
  }

  async connect(): Promise<RawPeer> {
    const peer = await RawPeer.connect(this.path);
    this.#peers.push(peer);
    return peer;
  }

  /** Returns the next call of `Hang` that the server received. */
  async nextHanging(): Promise<HangingCall> {
    for (;;) {
      const next = this.#hanging.shift();
      if (next !== undefined) return next;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.destroy();
    await this.server.stop(0);
    this.#scratch[Symbol.dispose]();
  }
}

function methods(hanging: HangingCall[], wake: () => void): ReadonlyMap<string, Method> {
  return new Map<string, Method>([
    ['Echo', async ({ payload }) => succeed(payload)],
    ['Repeat', async ({ payload }) => succeed(Buffer.alloc(Number(Buffer.from(payload).toString()), 'x'))],
    ['Refuse', () => Promise.reject(new SealiftError('POLICY_DENIED', 'refuse: no'))],
    [
      'Break',
      () => {
        // biome-ignore lint/suspicious/noExplicitAny: a bug, as a method might have one
        return (undefined as any).missing;
      },
    ],
    [
      'Hang',
      (call) =>
        new Promise((resolve) => {
          const aborted = new Promise<SealiftError>((report) => {
            call.signal.addEventListener('abort', () => report(call.signal.reason));
          });
          hanging.push({ call, aborted, finish: () => resolve(succeed(Buffer.from('finished'))) });
          wake();
        }),
    ],
  ]);
}
