import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import { extendRuntimeMeasurement, pulledImageEvent } from '../../../src/api/index.ts';
import { defineMeasurementMessages } from '../../../src/api/messages.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { fail, type MethodCall, openTtrpcServer, type Reply, STATUS, succeed } from '../../../src/ttrpc/index.ts';
import { rawFrame } from '../../support/daemons/raw-peer.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const SIGNAL = new AbortController().signal;
const EVENT = { domain: 'd', operation: 'o', content: 'c' };
const { request } = defineMeasurementMessages(DEFAULT_LIMITS);

class Agent implements AsyncDisposable {
  readonly scratch = new Scratch('agent');
  readonly path = this.scratch.join('attestation-agent.sock');
  readonly calls: MethodCall[] = [];
  #stop: () => Promise<void> = async () => {};

  async open(answer: (call: MethodCall) => Promise<Reply>): Promise<this> {
    const method = (call: MethodCall) => {
      this.calls.push(call);
      return answer(call);
    };
    const server = await openTtrpcServer({
      path: this.path,
      services: new Map([
        ['attestation_agent.AttestationAgentService', new Map([['ExtendRuntimeMeasurement', method]])],
      ]),
      limits: DEFAULT_LIMITS,
      onFault: () => {},
    });
    this.#stop = () => server.stop(0);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    this.scratch[Symbol.dispose]();
  }
}

describe('extendRuntimeMeasurement', () => {
  it.each([
    ['extended', ''],
    ['extended', '0800'],
    ['notSupported', '0801'],
    ['notEnabled', '0802'],
  ])('answers %s for the bytes "%s"', async (result, hex) => {
    await using agent = await new Agent().open(async () => succeed(Buffer.from(hex, 'hex')));
    expect(await extendRuntimeMeasurement({ socketPath: agent.path, ...EVENT, signal: SIGNAL })).toBe(result);
  });

  it.each([
    ['absent', undefined],
    ['zero', 0n],
    ['nine', 9n],
  ])('sends domain, operation, content and the register: %s', async (_, registerIndex) => {
    await using agent = await new Agent().open(async () => succeed(Buffer.alloc(0)));
    await extendRuntimeMeasurement({ socketPath: agent.path, ...EVENT, registerIndex, signal: SIGNAL });
    const [call] = agent.calls;
    expect(call?.timeoutNanos).toBe(10_000_000_000n);
    expect(request.decode(call?.payload ?? Buffer.alloc(0))).toEqual({ ...EVENT, registerIndex });
  });

  it('answers absent where no agent runs', async () => {
    using scratch = new Scratch('agent');
    const call = { socketPath: scratch.join('absent.sock'), ...EVENT, signal: SIGNAL };
    expect(await extendRuntimeMeasurement(call)).toBe('absent');
  });

  it('fails when an agent was there and is not any longer', async () => {
    using scratch = new Scratch('agent');
    const path = scratch.join('file');
    writeFileSync(path, '');
    await expectFailure('API_MEASUREMENT_FAILED', () =>
      extendRuntimeMeasurement({ socketPath: path, ...EVENT, signal: SIGNAL }),
    );
  });

  it('fails with the words of the agent', async () => {
    await using agent = await new Agent().open(async () => fail(STATUS.INTERNAL, '[AA] no'));
    const error = await expectFailure('API_MEASUREMENT_FAILED', () =>
      extendRuntimeMeasurement({ socketPath: agent.path, ...EVENT, signal: SIGNAL }),
    );
    expect(error.message).toContain('[AA] no');
  });

  it('fails for a result that it does not know', async () => {
    await using agent = await new Agent().open(async () => succeed(Buffer.from('0803', 'hex')));
    await expectFailure('API_MEASUREMENT_FAILED', () =>
      extendRuntimeMeasurement({ socketPath: agent.path, ...EVENT, signal: SIGNAL }),
    );
  });

  it('ends with the signal', async () => {
    const abort = new AbortController();
    await using agent = await new Agent().open(({ signal }) => {
      abort.abort(new SealiftError('PULL_CANCELLED', 'enough'));
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await expectFailure('PULL_CANCELLED', () =>
      extendRuntimeMeasurement({ socketPath: agent.path, ...EVENT, signal: abort.signal }),
    );
  });

  it.each([
    ['hangs up', Buffer.alloc(0)],
    ['answers data on a unary stream', rawFrame(1, Buffer.from('x'), { type: 3 })],
    ['answers what is no protobuf', rawFrame(1, Buffer.from('ff', 'hex'), { type: 2 })],
    ['claims an answer of 4 GiB', rawFrame(1, Buffer.alloc(0), { type: 2, length: 0xffff_ffff })],
  ])('fails when the agent %s', async (_, bytes) => {
    using scratch = new Scratch('agent');
    const path = scratch.join('agent.sock');
    const server = await answerWith(path, bytes);
    await expectFailure('API_MEASUREMENT_FAILED', () =>
      extendRuntimeMeasurement({ socketPath: path, ...EVENT, signal: SIGNAL }),
    );
    server.close();
  });
});

/** A server that sends these bytes after the first ones of each client, or hangs up. */
async function answerWith(path: string, bytes: Buffer): Promise<Server> {
  const server = createServer((socket) => {
    socket.once('data', () => (bytes.byteLength === 0 ? socket.destroy() : socket.write(bytes)));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

describe('pulledImageEvent', () => {
  it('has the blank that verifiers expect', () => {
    expect(pulledImageEvent('registry.test/app:1', 'sha256:ab')).toEqual({
      domain: 'github.com/confidential-containers',
      operation: 'PullImage',
      content: '{"image":"registry.test/app:1", "digest":"sha256:ab"}',
    });
  });

  it('stays one object whatever the reference holds', () => {
    const { content } = pulledImageEvent('a", "digest":"b', 'sha256:ab');
    expect(JSON.parse(content)).toEqual({ image: 'a", "digest":"b', digest: 'sha256:ab' });
  });
});
