import { lstatSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type ApiListener,
  type ApiPorts,
  type ApiServer,
  closeListeners,
  createPassThrough,
  openApiServer,
  openListeners,
  requestPull,
} from '../../../src/api/index.ts';
import { defineApiMessages } from '../../../src/api/messages.ts';
import type { ServiceName } from '../../../src/api/types.ts';
import { CODES, daemonHint, SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import {
  callOnce,
  fail,
  type MethodCall,
  openTtrpcServer,
  type Reply,
  STATUS,
  succeed,
} from '../../../src/ttrpc/index.ts';
import { openTtrpcClient } from '../../../src/ttrpc/open-client.ts';
import { SILENT_LOGGER } from '../../support/daemons/silent-logger.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const ALL: readonly ServiceName[] = [
  'api.ImagePullService',
  'api.SecureMountService',
  'api.GetResourceService',
  'api.SealedSecretService',
  'keyprovider.KeyProviderService',
];
const PASSED = [
  ['api.GetResourceService', 'GetResource'],
  ['api.SealedSecretService', 'UnsealSecret'],
  ['keyprovider.KeyProviderService', 'UnWrapKey'],
] as const;
const DIGEST = `sha256:${'a'.repeat(64)}`;
const { pullImageRequest, secureMountRequest, secureMountResponse } = defineApiMessages(DEFAULT_LIMITS);

class Api implements AsyncDisposable {
  readonly path: string;
  readonly scratch: Scratch;
  readonly seen: unknown[] = [];
  #server: ApiServer | undefined;

  constructor() {
    this.scratch = new Scratch('api');
    this.path = this.scratch.join('cdh.sock');
  }

  async open(ports: Partial<ApiPorts> = {}, services = ALL, listeners: readonly ApiListener[] = []): Promise<this> {
    this.#server = await openApiServer({
      sockets: [{ path: this.path, services }],
      listeners,
      ports: {
        pullImage: async (call) => {
          this.seen.push(call);
          return { manifestDigest: DIGEST };
        },
        secureMount: async (call) => {
          this.seen.push(call);
          return { mountPath: call.mountPoint };
        },
        passThrough: undefined,
        ...ports,
      },
      limits: DEFAULT_LIMITS,
      log: SILENT_LOGGER,
    });
    return this;
  }

  call(service: string, method: string, payload: Uint8Array = new Uint8Array(0)): Promise<Reply> {
    return callOnce(this.path, { service, method, payload }, DEFAULT_LIMITS);
  }

  async stop(): Promise<void> {
    await this.#server?.stop(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.scratch[Symbol.dispose]();
  }
}

describe('PullImage', () => {
  it('hands over reference, bundle, a request id, the time-out and a signal, and answers the digest', async () => {
    await using api = await new Api().open();
    const ask = { socketPath: api.path, imageUrl: 'registry.test/app@x', bundlePath: '/run/kata-containers/c1' };
    expect(await requestPull({ ...ask, timeoutMs: 60_000 })).toEqual({ manifestDigest: DIGEST });
    await requestPull(ask);
    expect(api.seen).toEqual(
      [{ timeoutMs: 60_000 }, {}].map((timeout) => ({
        ...timeout,
        imageUrl: ask.imageUrl,
        bundlePath: ask.bundlePath,
        requestId: expect.stringMatching(/^[0-9a-f]{8}$/),
        signal: expect.any(AbortSignal),
      })),
    );
    const [first, second] = api.seen as { requestId: string }[];
    expect(first?.requestId).not.toBe(second?.requestId);
  });

  it('fails in the words of confidential-data-hub, with ours behind', async () => {
    await using api = await new Api().open({
      pullImage: () => Promise.reject(new SealiftError('POLICY_DENIED', 'pull image x: rejected')),
    });
    const payload = pullImageRequest.encode({ imageUrl: 'x', bundlePath: '/b' });
    const { status } = await api.call('api.ImagePullService', 'PullImage', payload);
    expect(status.code).toBe(STATUS.INTERNAL);
    expect(status.message).toContain(
      '[CDH] [ERROR]: Image Pull error: Image policy rejected: Denied by policy: pull image x',
    );
    expect(status.message).toContain('[POLICY_DENIED]');
  });

  it.each<[SealiftError, string, string]>([
    [
      new SealiftError('POLICY_DENIED', 'pull image x: rejected', { hint: 'sign it (with your key), or set --policy' }),
      'Image policy rejected: Denied by policy: pull image x: rejected',
      'sign it (with your key), or set pull.policy',
    ],
    [
      new SealiftError('REGISTRY_MANIFEST_UNKNOWN', 'pull image x: status 404', {
        cause: new Error('mirror: status 500'),
      }),
      'Failed to pull image: pull image x: status 404; caused by: mirror: status 500',
      CODES.REGISTRY_MANIFEST_UNKNOWN.hint,
    ],
    [
      new SealiftError('BUNDLE_INVALID', 'bundle /b [of c1]: not allowed'),
      'Failed to pull image: bundle /b [of c1]: not allowed',
      daemonHint({ code: 'BUNDLE_INVALID', hint: CODES.BUNDLE_INVALID.hint }),
    ],
  ])('gives our client the code of $code, its kind, message and hint', async (thrown, words, hint) => {
    await using api = await new Api().open({ pullImage: () => Promise.reject(thrown) });
    const ask = { socketPath: api.path, imageUrl: 'x', bundlePath: '/b' };
    const error = await expectFailure(thrown.code, () => requestPull(ask));
    expect(error.message).toBe(`[CDH] [ERROR]: Image Pull error: ${words}`);
    expect(error).toMatchObject({ kind: thrown.kind, hint, context: { status: STATUS.INTERNAL } });
  });

  it('gives our client the code of an error that has a status of its own', async () => {
    await using api = await new Api().open({
      pullImage: () => Promise.reject(new SealiftError('TTRPC_DEADLINE_EXCEEDED', 'too late')),
    });
    const ask = { socketPath: api.path, imageUrl: 'x', bundlePath: '/b' };
    const error = await expectFailure('TTRPC_DEADLINE_EXCEEDED', () => requestPull(ask));
    expect(error.message).toBe('too late');
    expect(error.context).toEqual({ status: STATUS.DEADLINE_EXCEEDED });
  });

  it.each([
    ['has the form of ours, from another program', 'registry said: denied [POLICY_DENIED] (sign it)', 'other words'],
    ['of ours has a code that is not known here', 'denied [POLICY_OF_TOMORROW] (sign it)', '[TTRPC_METHOD_UNKNOWN]'],
  ])('whose answer %s gives our client its words', async (_, words, identity) => {
    using scratch = new Scratch('api');
    const socketPath = scratch.join('cdh.sock');
    const PullImage = async () => fail(STATUS.INTERNAL, words);
    const Identify = async () => fail(STATUS.UNIMPLEMENTED, identity);
    const server = await openTtrpcServer({
      path: socketPath,
      services: new Map([
        ['api.ImagePullService', new Map([['PullImage', PullImage]])],
        ['sealift.Doctor', new Map([['Identify', Identify]])],
      ]),
      limits: DEFAULT_LIMITS,
      onFault: () => undefined,
    });
    const error = await expectFailure('TTRPC_CALL_FAILED', () =>
      requestPull({ socketPath, imageUrl: 'x', bundlePath: '/b' }),
    );
    expect(error.message).toBe(`pull of x: expected status 0, got 13: ${words}`);
    await server.stop(0);
  });

  it('that hits a bug is answered as INTERNAL', async () => {
    await using api = await new Api().open({ pullImage: () => Promise.reject(new TypeError('no such thing')) });
    const { status } = await api.call('api.ImagePullService', 'PullImage');
    expect(status).toMatchObject({ code: STATUS.INTERNAL, message: expect.stringContaining('[INTERNAL]') });
  });

  it('has a deadline that aborts the work and has a status of its own', async () => {
    let reason: Promise<SealiftError> | undefined;
    await using api = await new Api().open({
      pullImage: ({ signal }) => {
        reason = new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    });
    const payload = pullImageRequest.encode({ imageUrl: 'x', bundlePath: '/b' });
    const call = { service: 'api.ImagePullService', method: 'PullImage', payload, timeoutNanos: 2_000_000_000n };
    const { status } = await callOnce(api.path, call, DEFAULT_LIMITS);
    expect(status).toMatchObject({ code: STATUS.DEADLINE_EXCEEDED });
    expect((await reason)?.code).toBe('TTRPC_DEADLINE_EXCEEDED');
  });

  it('ends when its client gives up', async () => {
    const abort = new AbortController();
    let report: (reason: SealiftError) => void = () => {};
    const ended = new Promise<SealiftError>((resolve) => {
      report = resolve;
    });
    await using api = await new Api().open({
      pullImage: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            report(signal.reason);
            reject(signal.reason);
          });
          abort.abort(new SealiftError('PULL_CANCELLED', 'enough'));
        }),
    });
    const ask = { socketPath: api.path, imageUrl: 'x', bundlePath: '/b', signal: abort.signal };
    await expectFailure('PULL_CANCELLED', () => requestPull(ask));
    expect((await ended).code).toBe('TTRPC_CLOSED');
  });

  it.each([
    ['a text over the limit', pullImageRequest.encode({ imageUrl: 'x'.repeat(16_385), bundlePath: '/b' })],
    ['no protobuf', Buffer.from('ffff', 'hex')],
    ['a number in place of a text', Buffer.from('0801', 'hex')],
  ])('refuses %s, and asks nobody', async (_, payload) => {
    await using api = await new Api().open();
    const { status } = await api.call('api.ImagePullService', 'PullImage', payload);
    expect(status).toMatchObject({
      code: STATUS.INVALID_ARGUMENT,
      message: expect.stringContaining('[TTRPC_MESSAGE_INVALID]'),
    });
    expect(api.seen).toEqual([]);
  });

  it('takes texts up to the limit, and fields of later versions', async () => {
    await using api = await new Api().open();
    const imageUrl = 'x'.repeat(16_384);
    const payload = Buffer.concat([
      pullImageRequest.encode({ imageUrl, bundlePath: '/b' }),
      Buffer.from('9a0100', 'hex'),
    ]);
    expect((await api.call('api.ImagePullService', 'PullImage', payload)).status.code).toBe(STATUS.OK);
    expect(api.seen).toMatchObject([{ imageUrl }]);
  });
});

describe('SecureMount', () => {
  const request = {
    volumeType: 'block-device',
    options: new Map([
      ['deviceId', '254:0'],
      ['encryptionType', 'luks2'],
    ]),
    flags: ['ro'],
    mountPoint: '/run/kata-containers/image/',
  };

  it('hands over everything, and answers where it is mounted', async () => {
    await using api = await new Api().open();
    const { status, payload } = await api.call(
      'api.SecureMountService',
      'SecureMount',
      secureMountRequest.encode(request),
    );
    expect(status.code).toBe(STATUS.OK);
    expect(secureMountResponse.decode(payload)).toEqual({ mountPath: request.mountPoint });
    expect(api.seen).toMatchObject([request]);
  });

  const notOurs = new SealiftError('VOLUME_REQUEST_UNSUPPORTED', 'secure mount: volume_type: expected another');

  it('passes a request that is not ours on to the hub, byte for byte, and its answer back', async () => {
    const passed: unknown[] = [];
    await using api = await new Api().open({
      secureMount: async () => ({ notOurs }),
      passThrough: async ({ service, method, payload }) => {
        passed.push({ service, method, payload: Buffer.from(payload) });
        return succeed(secureMountResponse.encode({ mountPath: '/hub' }));
      },
    });
    const payload = secureMountRequest.encode(request);
    const reply = await api.call('api.SecureMountService', 'SecureMount', payload);
    expect(secureMountResponse.decode(reply.payload)).toEqual({ mountPath: '/hub' });
    expect(passed).toEqual([
      { service: 'api.SecureMountService', method: 'SecureMount', payload: Buffer.from(payload) },
    ]);
  });

  it('refuses a request that is not ours where there is no hub', async () => {
    await using api = await new Api().open({ secureMount: async () => ({ notOurs }) });
    const { status } = await api.call('api.SecureMountService', 'SecureMount', secureMountRequest.encode(request));
    expect(status.code).toBe(STATUS.INTERNAL);
    expect(status.message).toContain('Secure Mount failed: secure mount: volume_type: expected another');
  });

  it('fails in the words of confidential-data-hub', async () => {
    const failed = new SealiftError('STORE_IO_FAILED', 'prepare /dev/vda: I/O error');
    await using api = await new Api().open({ secureMount: () => Promise.reject(failed) });
    const { status } = await api.call('api.SecureMountService', 'SecureMount', secureMountRequest.encode(request));
    expect(status.code).toBe(STATUS.INTERNAL);
    expect(status.message).toContain(
      '[CDH] [ERROR]: Secure Mount failed: prepare /dev/vda: I/O error [STORE_IO_FAILED]',
    );
  });

  it.each([
    ['options', { options: new Map(Array.from({ length: 257 }, (_, i) => [`o${i}`, ''])) }],
    ['flags', { flags: Array.from({ length: 257 }, () => '') }],
  ])('refuses too many %s', async (_, change) => {
    await using api = await new Api().open();
    const payload = secureMountRequest.encode({ ...request, ...change });
    const { status } = await api.call('api.SecureMountService', 'SecureMount', payload);
    expect(status).toMatchObject({ code: STATUS.INVALID_ARGUMENT });
    expect(api.seen).toEqual([]);
  });
});

describe('a socket', () => {
  it.each(PASSED)('without a hub behind it answers %s/%s as unimplemented', async (service, method) => {
    await using api = await new Api().open();
    const { status } = await api.call(service, method, Buffer.from('x'));
    expect(status.code).toBe(STATUS.UNIMPLEMENTED);
    expect(status.message).toContain('[API_PASS_THROUGH_MISSING]');
  });

  it('has the services that it was given, and no others', async () => {
    await using api = await new Api().open({}, ['api.ImagePullService']);
    expect((await api.call('api.ImagePullService', 'PullImage')).status.code).toBe(STATUS.OK);
    const { status } = await api.call('api.SecureMountService', 'SecureMount');
    expect(status).toMatchObject({
      code: STATUS.UNIMPLEMENTED,
      message: 'service api.SecureMountService [TTRPC_METHOD_UNKNOWN]',
    });
  });

  it('does not wrap keys', async () => {
    await using api = await new Api().open();
    const { status } = await api.call('keyprovider.KeyProviderService', 'WrapKey');
    expect(status).toMatchObject({ code: STATUS.UNIMPLEMENTED, message: 'method WrapKey [TTRPC_METHOD_UNKNOWN]' });
  });

  it('can be one of several; none stays when one cannot be made', async () => {
    using scratch = new Scratch('api');
    const paths = [scratch.join('run', 'imagepull.socket'), scratch.join('run', 'securemount.socket')];
    const [pull = '', mount = ''] = paths;
    const options = {
      sockets: [
        { path: pull, services: ['api.ImagePullService'] as const },
        { path: mount, services: ['api.SecureMountService'] as const },
      ],
      ports: {
        pullImage: async () => ({ manifestDigest: DIGEST }),
        secureMount: async () => ({ mountPath: '/m' }),
        passThrough: undefined,
      },
      limits: DEFAULT_LIMITS,
      log: SILENT_LOGGER,
    };
    const server = await openApiServer(options);
    expect(await requestPull({ socketPath: pull, imageUrl: 'x', bundlePath: '/b' })).toEqual({
      manifestDigest: DIGEST,
    });
    await expectFailure('TTRPC_METHOD_UNKNOWN', () =>
      requestPull({ socketPath: mount, imageUrl: 'x', bundlePath: '/b' }),
    );
    await server.stop(0);
    writeFileSync(mount, 'not a socket');
    await expectFailure('TTRPC_SOCKET_INVALID', () => openApiServer(options));
    expect(lstatSync(pull, { throwIfNoEntry: false })).toBeUndefined();
    // Before the server as well: then it opens them itself, and says why it cannot.
    expect(await openListeners(paths)).toEqual([]);
    expect(lstatSync(pull, { throwIfNoEntry: false })).toBeUndefined();
    const listeners = await openListeners([pull]);
    await expectFailure('TTRPC_SOCKET_INVALID', () => openApiServer({ ...options, listeners }));
    expect(lstatSync(pull, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('can exist before; those that are not served are closed', async () => {
    await using api = new Api();
    const others = ['other', 'third'].map((name) => api.scratch.join(name));
    const listeners = await openListeners([...others, api.path]);
    const { ino } = lstatSync(api.path);
    const early = requestPull({ socketPath: api.path, imageUrl: 'x', bundlePath: '/b' });
    const unserved = requestPull({ socketPath: others[0] ?? '', imageUrl: 'x', bundlePath: '/b' });
    const refused = expectFailure('TTRPC_CLOSED', () => unserved);
    await api.open({}, ALL, listeners);
    expect(await early).toEqual({ manifestDigest: DIGEST });
    await refused;
    expect(readdirSync(api.scratch.path)).toEqual(['cdh.sock']);
    expect(lstatSync(api.path).ino).toBe(ino);
    // What the server has taken is the server's to close.
    await api.stop();
    writeFileSync(api.path, 'of another program');
    closeListeners(listeners);
    expect(readdirSync(api.scratch.path)).toEqual(['cdh.sock']);
  });

  it('is opened where another one exists before, which is closed', async () => {
    await using api = new Api();
    const listeners = await openListeners([api.scratch.join('other')]);
    await api.open({}, ALL, listeners);
    expect(readdirSync(api.scratch.path)).toEqual(['cdh.sock']);
    expect(await requestPull({ socketPath: api.path, imageUrl: 'x', bundlePath: '/b' })).toEqual({
      manifestDigest: DIGEST,
    });
  });
});

/** A hub that records what it receives, and answers with a status, details and bytes that our codecs never write. */
async function openHub(scratch: Scratch, answer: (call: MethodCall) => Promise<Reply>) {
  const path = scratch.join('hub.sock');
  const services = new Map(PASSED.map(([service, method]) => [service, new Map([[method, answer]])]));
  return await openTtrpcServer({ path, services, limits: DEFAULT_LIMITS, onFault: () => {} });
}

describe('what is passed on', () => {
  const odd = Buffer.from('ff00fe01', 'hex');

  it.each(PASSED)('reaches the hub and comes back byte for byte: %s/%s', async (service, method) => {
    await using api = new Api();
    const calls: MethodCall[] = [];
    const hub = await openHub(api.scratch, async (call) => {
      calls.push(call);
      return succeed(odd);
    });
    await api.open({ passThrough: createPassThrough(hub.path, DEFAULT_LIMITS) });
    const metadata = [{ key: 'k', value: 'v' }];
    const call = { service, method, payload: odd, metadata, timeoutNanos: 50_000_000_000n };
    const { status, payload } = await callOnce(api.path, call, DEFAULT_LIMITS);
    expect(status.code).toBe(STATUS.OK);
    expect(odd.equals(payload)).toBe(true);
    expect(calls).toMatchObject([{ service, method, metadata, timeoutNanos: 50_000_000_000n }]);
    expect(odd.equals(calls[0]?.payload ?? Buffer.alloc(0))).toBe(true);
    await hub.stop(0);
  });

  it('fails as the hub says, to the last detail', async () => {
    await using api = new Api();
    const status = { code: 5, message: '[CDH] [ERROR]: Get Resource failed', details: [odd] };
    const hub = await openHub(api.scratch, async () => ({ status, payload: new Uint8Array(0) }));
    await api.open({ passThrough: createPassThrough(hub.path, DEFAULT_LIMITS) });
    const reply = await api.call('api.GetResourceService', 'GetResource');
    expect(reply.status).toMatchObject({ code: 5, message: status.message });
    expect(reply.status.details.map((each) => Buffer.from(each).toString('hex'))).toEqual(['ff00fe01']);
    await hub.stop(0);
  });

  it('fails with our code when there is no hub', async () => {
    await using api = new Api();
    await api.open({ passThrough: createPassThrough(api.scratch.join('absent.sock'), DEFAULT_LIMITS) });
    const { status } = await api.call('api.SealedSecretService', 'UnsealSecret');
    expect(status.code).toBe(STATUS.INTERNAL);
    expect(status.message).toContain('[CDH] [ERROR]: Unseal Secret failed: ');
    expect(status.message).toContain('[API_PASS_THROUGH_FAILED]');
  });

  it('cannot be asked for from a hub that is not there', async () => {
    using scratch = new Scratch('api');
    const pass = createPassThrough(scratch.join('absent.sock'), DEFAULT_LIMITS);
    const call = { service: 's', method: 'm', payload: odd, metadata: [], timeoutNanos: undefined };
    await expectFailure('API_PASS_THROUGH_FAILED', () => pass({ ...call, signal: new AbortController().signal }));
  });

  it('fails with what its own call was ended with', async () => {
    await using api = new Api();
    const hub = await openHub(api.scratch, () => new Promise(() => {}));
    const pass = createPassThrough(hub.path, DEFAULT_LIMITS);
    const signal = AbortSignal.abort(new SealiftError('TTRPC_DEADLINE_EXCEEDED', 'too late'));
    const [service, method] = PASSED[0];
    const call = { service, method, payload: odd, metadata: [], timeoutNanos: undefined, signal };
    await expectFailure('TTRPC_DEADLINE_EXCEEDED', () => pass(call));
    await hub.stop(0);
  });

  it('ends at the hub when its client gives up', async () => {
    await using api = new Api();
    const abort = new AbortController();
    let report: (reason: SealiftError) => void = () => {};
    const ended = new Promise<SealiftError>((resolve) => {
      report = resolve;
    });
    const hub = await openHub(api.scratch, ({ signal }) => {
      signal.addEventListener('abort', () => report(signal.reason));
      abort.abort();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await api.open({ passThrough: createPassThrough(hub.path, DEFAULT_LIMITS) });
    const call = { service: 'api.GetResourceService', method: 'GetResource', payload: odd, signal: abort.signal };
    await expectFailure('TTRPC_CLOSED', () => callOnce(api.path, call, DEFAULT_LIMITS));
    expect((await ended).code).toBe('TTRPC_CLOSED');
    await hub.stop(0);
  });

  it('does not wait for a pull on the same connection', async () => {
    await using api = new Api();
    const hub = await openHub(api.scratch, async () => succeed(odd));
    let finish: () => void = () => {};
    await api.open({
      passThrough: createPassThrough(hub.path, DEFAULT_LIMITS),
      pullImage: () =>
        new Promise((resolve) => {
          finish = () => resolve({ manifestDigest: DIGEST });
        }),
    });
    const client = await openTtrpcClient(api.path, DEFAULT_LIMITS);
    const pull = client.call({ service: 'api.ImagePullService', method: 'PullImage', payload: new Uint8Array(0) });
    const call = { service: 'api.GetResourceService', method: 'GetResource', payload: odd };
    expect((await client.call(call)).status.code).toBe(STATUS.OK);
    finish();
    expect((await pull).status.code).toBe(STATUS.OK);
    client.close();
    await hub.stop(0);
  });
});
