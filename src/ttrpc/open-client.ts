import { createConnection, type Socket } from 'node:net';
import { SealiftError } from '../errors/index.ts';
import { Budget } from './budget.ts';
import { deadlineExceeded, deadlineMs } from './deadline.ts';
import { RequestEnvelope, ResponseEnvelope } from './envelope.ts';
import { FRAME_TYPE, type FrameHeader, formatFrame } from './frame.ts';
import { asBytes, FrameReader } from './frame-reader.ts';
import type { ClientCall, Reply, TtrpcClient, TtrpcLimits } from './types.ts';

export type ClientLimits = Pick<TtrpcLimits, 'maxTtrpcMessageBytes' | 'maxTtrpcBufferedBytes'>;

const MAX_STREAM_ID = 0xffff_ffff;
const OK = { code: 0, message: '', details: [] };

/** Connects to a unix socket. Throws `TTRPC_CLOSED` with the errno as context, or the signal's reason. */
export async function openTtrpcClient(
  socketPath: string,
  limits: ClientLimits,
  signal?: AbortSignal,
): Promise<TtrpcClient> {
  throwIfAborted(signal);
  const socket = createConnection({ path: socketPath });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause: NodeJS.ErrnoException) => reject(notConnected(socketPath, cause)));
  });
  return new Client(socket, socketPath, limits);
}

function notConnected(socketPath: string, cause: NodeJS.ErrnoException): SealiftError {
  const errno = cause.code ?? 'unknown';
  return new SealiftError('TTRPC_CLOSED', `connect to ${socketPath}: expected a connection, got ${errno}`, {
    context: { path: socketPath, errno },
    cause,
  });
}

function abortError({ reason }: AbortSignal): SealiftError {
  if (reason instanceof SealiftError) return reason;
  return new SealiftError('TTRPC_CLOSED', 'call: cancelled before its response came', { cause: reason });
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

interface Waiting {
  settle(outcome: Reply | SealiftError): void;
}

class Client implements TtrpcClient {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #limits: ClientLimits;
  readonly #reader: FrameReader;
  readonly #waiting = new Map<number, Waiting>();
  #nextStreamId = 1;
  #end: SealiftError | undefined;

  constructor(socket: Socket, path: string, limits: ClientLimits) {
    this.#socket = socket;
    this.#path = path;
    this.#limits = limits;
    this.#reader = new FrameReader({
      maxBytes: limits.maxTtrpcMessageBytes,
      budget: new Budget(limits.maxTtrpcBufferedBytes),
      onFrame: (header, data, release) => {
        this.#take(header, data);
        release();
      },
      onRefused: ({ streamId, length }) => {
        const message = `response from ${path}: expected at most ${limits.maxTtrpcMessageBytes} bytes, got ${length}`;
        this.#settle(streamId, new SealiftError('TTRPC_MESSAGE_TOO_LARGE', message));
      },
    });
    socket.on('data', (chunk) => this.#reader.push(asBytes(chunk)));
    socket.on('error', (cause) => this.#finish(cause));
    socket.on('close', () => this.#finish());
  }

  async call(options: ClientCall): Promise<Reply> {
    const { signal, timeoutNanos } = options;
    throwIfAborted(signal);
    if (this.#nextStreamId > MAX_STREAM_ID) this.#finish();
    if (this.#end !== undefined) throw this.#end;
    const streamId = this.#nextStreamId;
    const frame = formatFrame({ streamId, type: FRAME_TYPE.request, flags: 0 }, this.#encode(options));
    this.#nextStreamId += 2;
    const outcome = new Promise<Reply | SealiftError>((settle) => this.#waiting.set(streamId, { settle }));
    const onAbort = () => signal && this.#settle(streamId, abortError(signal));
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = this.#startTimer(streamId, `${options.service}/${options.method}`, timeoutNanos);
    this.#socket.write(frame);
    const settled = await outcome;
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    if (settled instanceof SealiftError) throw settled;
    return settled;
  }

  close(): void {
    this.#finish();
  }

  #encode({ service, method, payload, metadata = [], timeoutNanos = 0n }: ClientCall): Uint8Array {
    const { maxTtrpcMessageBytes } = this.#limits;
    const bytes = RequestEnvelope.encode({ service, method, payload, timeoutNanos, metadata });
    if (bytes.byteLength <= maxTtrpcMessageBytes) return bytes;
    const message = `call of ${service}/${method}: expected at most ${maxTtrpcMessageBytes} bytes, got ${bytes.byteLength}`;
    throw new SealiftError('TTRPC_MESSAGE_TOO_LARGE', message);
  }

  #startTimer(streamId: number, subject: string, timeoutNanos: bigint | undefined): NodeJS.Timeout | undefined {
    const ms = deadlineMs(timeoutNanos);
    if (ms === undefined) return undefined;
    return setTimeout(() => this.#settle(streamId, deadlineExceeded(subject, timeoutNanos)), ms);
  }

  /** Settles the call of a response; a response to a call that has ended already is dropped. */
  #take({ streamId, type }: FrameHeader, data: Buffer): void {
    if (type === FRAME_TYPE.response) this.#settle(streamId, decodeReply(data));
    if (type !== FRAME_TYPE.data) return;
    const message = `response from ${this.#path}: expected a response on unary stream ${streamId}, got data`;
    this.#settle(streamId, new SealiftError('TTRPC_FRAME_INVALID', message));
  }

  #settle(streamId: number, outcome: Reply | SealiftError): void {
    const waiting = this.#waiting.get(streamId);
    this.#waiting.delete(streamId);
    waiting?.settle(outcome);
  }

  #finish(cause?: Error): void {
    const message = `connection to ${this.#path}: closed before the response came`;
    this.#end ??= new SealiftError('TTRPC_CLOSED', message, { cause });
    this.#socket.destroy();
    this.#reader.close();
    for (const streamId of [...this.#waiting.keys()]) this.#settle(streamId, this.#end);
  }
}

/** Decodes a response; one without a status is a success. */
function decodeReply(data: Buffer): Reply | SealiftError {
  try {
    const { status, payload } = ResponseEnvelope.decode(data);
    return { status: status ?? OK, payload };
  } catch (error) {
    if (error instanceof SealiftError) return error;
    throw error;
  }
}
