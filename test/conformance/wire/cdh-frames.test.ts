import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { extendRuntimeMeasurement, openApiServer, pulledImageEvent, requestPull } from '../../../src/api/index.ts';
import { defineApiMessages } from '../../../src/api/messages.ts';
import type { ApiPorts, PassedCall } from '../../../src/api/types.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { createHubSource } from '../../../src/keybroker/hub-source.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { locateResource } from '../../../src/resources/index.ts';
import { RequestEnvelope, ResponseEnvelope } from '../../../src/ttrpc/envelope.ts';
import { formatFrame, parseFrameHeader } from '../../../src/ttrpc/frame.ts';
import { defineMessage, fail } from '../../../src/ttrpc/index.ts';
import { bytesField } from '../../../src/ttrpc/message.ts';
import { RawPeer } from '../../support/daemons/raw-peer.ts';
import { SILENT_LOGGER } from '../../support/daemons/silent-logger.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { failure } from '../../support/matchers.ts';

interface Recording {
  readonly frames: readonly { readonly from: 'client' | 'server'; readonly hex: string }[];
}

const recorded = JSON.parse(readFileSync(new URL('../../../testdata/wire/cdh-ttrpc.json', import.meta.url), 'utf8'));
const CALLS: Readonly<Record<string, Recording>> = recorded.calls;
const CALLS_OF_HUB: Readonly<Record<string, Recording>> = recorded.calls_made_by_the_hub;

const DIGEST = 'sha256:ae86d1e54efb5cf27eca12b867224e17367193d2cbba7857965c1f9ef1706cd9';
const messages = defineApiMessages(DEFAULT_LIMITS);
const oneField = defineMessage('bytes', { bytes: bytesField(1) });
const FIFTY_SECONDS = 50_000_000_000n;

/** The hub sometimes writes a header in two pieces. */
function sentBy(from: 'client' | 'server', { frames }: Recording): Buffer {
  return Buffer.concat(frames.filter((frame) => frame.from === from).map(({ hex }) => Buffer.from(hex, 'hex')));
}

function recording(name: string): Recording {
  const found = CALLS[name] ?? CALLS_OF_HUB[name];
  if (found === undefined) throw new Error(`no recording ${name}`);
  return found;
}

function dataOf(frame: Buffer): Buffer {
  expect(parseFrameHeader(frame).length).toBe(frame.byteLength - 10);
  return frame.subarray(10);
}

const names = [...Object.keys(CALLS), ...Object.keys(CALLS_OF_HUB)];

describe('recorded frames', () => {
  it('are there', () => {
    expect(names).toHaveLength(9);
  });

  it.each(names)('%s: the call is read, and written with the same bytes', (name) => {
    const frame = sentBy('client', recording(name));
    expect(parseFrameHeader(frame)).toMatchObject({ streamId: 1, type: 1, flags: 0 });
    const call = RequestEnvelope.decode(dataOf(frame));
    const again = formatFrame({ streamId: 1, type: 1, flags: 0 }, RequestEnvelope.encode(call));
    expect(again.toString('hex')).toBe(frame.toString('hex'));
  });

  it.each(names)('%s: the answer is read, and written with the same bytes', (name) => {
    const frame = sentBy('server', recording(name));
    expect(parseFrameHeader(frame)).toMatchObject({ streamId: 1, type: 2, flags: 0 });
    const answer = ResponseEnvelope.decode(dataOf(frame));
    const again = formatFrame({ streamId: 1, type: 2, flags: 0 }, ResponseEnvelope.encode(answer));
    expect(again.toString('hex')).toBe(frame.toString('hex'));
  });

  it('are what the kata agent and its helpers say', () => {
    const call = (name: string) => RequestEnvelope.decode(dataOf(sentBy('client', recording(name))));
    expect(call('pull-image-ok')).toMatchObject({
      ...{ service: 'api.ImagePullService', method: 'PullImage', timeoutNanos: FIFTY_SECONDS, metadata: [] },
    });
    expect(messages.pullImageRequest.decode(call('pull-image-ok').payload)).toEqual({
      imageUrl: '127.0.0.1:5055/b/forty:1',
      bundlePath: '/run/kata-containers/c1',
    });
    expect(messages.secureMountRequest.decode(call('secure-mount-missing-device').payload)).toEqual({
      volumeType: 'block-device',
      options: new Map([
        ['encryptionType', 'luks2'],
        ['devicePath', '/dev/nonexistent'],
        ['sourceType', 'empty'],
        ['dataIntegrity', 'false'],
        ['targetType', 'fileSystem'],
      ]),
      flags: [],
      mountPoint: '/run/kata-containers/storage',
    });
    expect(call('unwrap-key-ok')).toMatchObject({ service: 'keyprovider.KeyProviderService', method: 'UnWrapKey' });
  });

  it('hold messages that our codecs write with the same bytes', () => {
    const payload = (name: string) => RequestEnvelope.decode(dataOf(sentBy('client', recording(name)))).payload;
    for (const name of ['pull-image-ok', 'pull-image-bad-reference']) {
      const { pullImageRequest } = messages;
      expect(pullImageRequest.encode(pullImageRequest.decode(payload(name)))).toEqual(new Uint8Array(payload(name)));
    }
    const mount = payload('secure-mount-missing-device');
    const { secureMountRequest } = messages;
    expect(secureMountRequest.encode(secureMountRequest.decode(mount))).toEqual(new Uint8Array(mount));
  });
});

/** Answers as the recorded hub did, for the calls that are passed on to it. */
async function answerAsRecorded(call: PassedCall) {
  for (const name of Object.keys(CALLS)) {
    const request = RequestEnvelope.decode(dataOf(sentBy('client', recording(name))));
    if (!Buffer.from(request.payload).equals(call.payload)) continue;
    const { status, payload } = ResponseEnvelope.decode(dataOf(sentBy('server', recording(name))));
    return { status: status ?? { code: 0, message: '', details: [] }, payload };
  }
  return fail(13, 'not recorded');
}

const PORTS: ApiPorts = {
  pullImage: async ({ imageUrl }) => {
    if (imageUrl === 'UPPER CASE') throw new SealiftError('REFERENCE_INVALID', 'reference "UPPER CASE": no');
    return { manifestDigest: DIGEST };
  },
  secureMount: async () => {
    throw new SealiftError('STORE_IO_FAILED', 'no such device');
  },
  passThrough: answerAsRecorded,
};

async function answerOf(name: string): Promise<Buffer> {
  using scratch = new Scratch('wire');
  const path = scratch.join('cdh.sock');
  const services = [
    ...(['api.ImagePullService', 'api.SecureMountService', 'api.GetResourceService'] as const),
    ...(['api.SealedSecretService', 'keyprovider.KeyProviderService'] as const),
  ];
  const server = await openApiServer({
    sockets: [{ path, services }],
    ports: PORTS,
    limits: DEFAULT_LIMITS,
    log: SILENT_LOGGER,
  });
  const peer = await RawPeer.connect(path);
  try {
    peer.send(sentBy('client', recording(name)));
    const { streamId, type, flags, data } = await peer.nextFrame();
    return formatFrame({ streamId, type, flags }, data);
  } finally {
    peer.destroy();
    await server.stop(0);
  }
}

describe('our server', () => {
  it.each([
    'pull-image-ok',
    'get-resource-ok',
    'get-resource-missing',
    'unwrap-key-ok',
    'unseal-vault-ok',
    'unseal-vault-bad-signature',
  ])('answers %s with the same bytes as confidential-data-hub', async (name) => {
    expect((await answerOf(name)).toString('hex')).toBe(sentBy('server', recording(name)).toString('hex'));
  });

  it.each([
    ['pull-image-bad-reference', 'REFERENCE_INVALID'],
    ['secure-mount-missing-device', 'STORE_IO_FAILED'],
  ])('answers %s with its words, and ours behind them', async (name, code) => {
    const theirs = ResponseEnvelope.decode(dataOf(sentBy('server', recording(name)))).status;
    const ours = ResponseEnvelope.decode(dataOf(await answerOf(name))).status;
    expect(ours?.code).toBe(theirs?.code);
    expect(theirs?.message).toMatch(/^\[CDH\] \[ERROR\]: /);
    expect(ours?.message.startsWith(`${theirs?.message}: `), ours?.message).toBe(true);
    expect(ours?.message).toContain(`[${code}]`);
  });
});

/** Runs a server that keeps what it receives and answers the first frame with `answer`. */
async function withRecorder<T>(
  answer: Buffer,
  act: (path: string) => Promise<T>,
): Promise<{ sent: Buffer; result: T }> {
  using scratch = new Scratch('wire');
  const path = scratch.join('peer.sock');
  const chunks: Buffer[] = [];
  const server = createServer((socket: Socket) => {
    socket.on('data', (chunk) => {
      chunks.push(chunk as Buffer);
      const bytes = Buffer.concat(chunks);
      if (bytes.byteLength >= 10 && bytes.byteLength >= 10 + parseFrameHeader(bytes).length) socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    const result = await act(path);
    return { sent: Buffer.concat(chunks), result };
  } finally {
    server.close();
  }
}

describe('our clients', () => {
  const signal = new AbortController().signal;

  it('measure a pulled image with the same bytes as confidential-data-hub', async () => {
    const call = recording('extend-runtime-measurement');
    const event = pulledImageEvent('127.0.0.1:5055/b/forty:1', DIGEST);
    const { sent, result } = await withRecorder(sentBy('server', call), (socketPath) =>
      extendRuntimeMeasurement({ socketPath, ...event, signal }),
    );
    expect(sent.toString('hex')).toBe(sentBy('client', call).toString('hex'));
    expect(result).toBe('extended');
  });

  it('ask for an image with the same bytes as the kata agent, and read the digest', async () => {
    const call = recording('pull-image-ok');
    const ask = { imageUrl: '127.0.0.1:5055/b/forty:1', bundlePath: '/run/kata-containers/c1', timeoutMs: 50_000 };
    const { sent, result } = await withRecorder(sentBy('server', call), (socketPath) =>
      requestPull({ socketPath, ...ask }),
    );
    expect(sent.toString('hex')).toBe(sentBy('client', call).toString('hex'));
    expect(result).toEqual({ manifestDigest: DIGEST });
  });

  it('tell an error in the words of confidential-data-hub', async () => {
    const call = recording('pull-image-bad-reference');
    const { result } = await withRecorder(sentBy('server', call), (socketPath) =>
      failure(() => requestPull({ socketPath, imageUrl: 'UPPER CASE', bundlePath: '/run/kata-containers/c3' })),
    );
    expect(result.code).toBe('TTRPC_CALL_FAILED');
    expect(result.message).toContain('[CDH] [ERROR]: Image Pull error: Illegal image reference');
  });

  it.each([
    ['get-resource-ok', 'kbs:///default/note/1', 'hello'],
    ['get-resource-missing', 'kbs:///default/note/2', 'KEYBROKER_UNAVAILABLE'],
    ['unseal-vault-ok', '', 'hello'],
    ['unseal-vault-bad-signature', '', 'KEYBROKER_UNAVAILABLE'],
  ])('ask for a resource as the client of %s did', async (name, uri, outcome) => {
    const call = recording(name);
    const { payload } = RequestEnvelope.decode(dataOf(sentBy('client', call)));
    const document = uri === '' ? Buffer.from(oneField.decode(payload).bytes).toString() : uri;
    const { sent, result } = await withRecorder(sentBy('server', call), async (socketPath) => {
      const source = createHubSource(socketPath, DEFAULT_LIMITS);
      const location = locateResource(document);
      const asked =
        location.kind === 'broker'
          ? source.fetchResource(location.resource, { signal })
          : source.unsealSecret?.(document, { signal });
      return asked?.then(
        (bytes) => Buffer.from(bytes).toString(),
        ({ code, message }) => `${code}: ${message}`,
      );
    });
    expect(sent.toString('hex')).toBe(sentBy('client', call).toString('hex'));
    expect(result?.startsWith(outcome), result).toBe(true);
  });

  it('read an answer of bytes as it was recorded', () => {
    const { payload } = ResponseEnvelope.decode(dataOf(sentBy('server', recording('get-resource-ok'))));
    expect(Buffer.from(oneField.decode(payload).bytes).toString()).toBe('hello');
  });
});
