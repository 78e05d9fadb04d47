import type { Socket } from 'node:net';
import { asSealiftError, SealiftError } from '../errors/index.ts';
import type { Budget } from './budget.ts';
import { deadlineExceeded, deadlineMs } from './deadline.ts';
import { RequestEnvelope, ResponseEnvelope } from './envelope.ts';
import { findMethod } from './find-method.ts';
import { FRAME_TYPE, type FrameHeader, formatFrame } from './frame.ts';
import { asBytes, FrameReader, type Refusal } from './frame-reader.ts';
import { judgeFrame } from './judge-frame.ts';
import { failWith } from './status.ts';
import type { Method, MethodCall, Reply, ServerOptions } from './types.ts';

/** How long before the deadline a call is answered, because the client counts the same time. */
const ANSWER_MARGIN = { share: 0.05, maxMs: 200 };

export interface ConnectionOptions extends Omit<ServerOptions, 'path' | 'listener'> {
  /** Bytes of unfinished messages, shared by all connections of the server. */
  readonly bytes: Budget;
  /** Calls in flight, shared by all connections of the server. */
  readonly slots: Budget;
  /** Called when a method starts; `work` settles when the method has ended, and never rejects. */
  readonly onWork: (work: Promise<void>) => void;
  readonly onClosed: (connection: ServerConnection) => void;
}

interface OpenCall {
  readonly streamId: number;
  readonly controller: AbortController;
  readonly deadline: NodeJS.Timeout | undefined;
}

/** The connection of one client. Everything that it sends is attacker-controlled; nothing that it sends throws. */
export class ServerConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #calls = new Map<number, OpenCall>();
  #lastStreamId = 0;
  #frame = { number: 0, timer: undefined as NodeJS.Timeout | undefined };
  #drainTimer: NodeJS.Timeout | undefined;
  #isStopping = false;
  #isClosed = false;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader({
      maxBytes: options.limits.maxTtrpcMessageBytes,
      budget: options.bytes,
      onFrame: (header, data, release) => this.#take(header, data, release),
      onRefused: (header, refusal) => this.#answerRefused(header, refusal),
    });
    socket.on('data', (chunk) => this.#read(asBytes(chunk)));
    socket.on('drain', () => this.#drained());
    socket.on('error', (cause) => this.#report('failed', cause));
    socket.on('close', () => this.#closed());
  }

  /** True once the client has made a call, whatever its outcome. */
  get hasCalled(): boolean {
    return this.#lastStreamId > 0;
  }

  /** Refuses further calls, and closes the connection when the calls in flight are answered. */
  drain(): void {
    this.#isStopping = true;
    this.#closeWhenDone();
  }

  /** Answers every call in flight with `error`, and aborts its method with it. */
  abort(error: SealiftError): void {
    for (const streamId of [...this.#calls.keys()]) this.#end(streamId, error);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#reader.push(chunk);
    this.#watchFrame();
  }

  /** Closes the connection when one frame takes too long, however slowly its bytes arrive. */
  #watchFrame(): void {
    if (this.#reader.isMidFrame && this.#frame.timer !== undefined && this.#frame.number === this.#reader.frames)
      return;
    clearTimeout(this.#frame.timer);
    this.#frame.timer = undefined;
    if (!this.#reader.isMidFrame || this.#isClosed) return;
    this.#frame.number = this.#reader.frames;
    this.#frame.timer = this.#closeLater('the client began a message and did not finish it in time');
  }

  #closeLater(reason: string): NodeJS.Timeout {
    return setTimeout(() => {
      this.#report(reason);
      this.close();
    }, this.#options.limits.ttrpcFrameTimeoutMs);
  }

  #take(header: FrameHeader, data: Buffer, release: () => void): void {
    const { streamId } = header;
    const state = { lastStreamId: this.#lastStreamId, isOpen: (id: number) => this.#calls.has(id) };
    const verdict = judgeFrame(header, state);
    if (isNewStream(header)) this.#lastStreamId = Math.max(this.#lastStreamId, streamId);
    if (verdict.kind === 'call' && !this.#socket.destroyed) {
      this.#begin(streamId, data, release);
      return;
    }
    release();
    if (verdict.kind === 'refuse') this.#refuse(streamId, verdict.error);
  }

  #answerRefused({ streamId, length }: FrameHeader, refusal: Refusal): void {
    const { maxTtrpcMessageBytes, maxTtrpcBufferedBytes } = this.#options.limits;
    const error =
      refusal === 'tooLarge'
        ? new SealiftError(
            'TTRPC_MESSAGE_TOO_LARGE',
            `message length ${length} exceed maximum message size of ${maxTtrpcMessageBytes}`,
          )
        : new SealiftError(
            'TTRPC_OVERLOADED',
            `message of ${length} bytes: expected at most ${maxTtrpcBufferedBytes} bytes of unfinished messages, got more`,
          );
    this.#refuse(streamId, error);
  }

  #begin(streamId: number, data: Buffer, release: () => void): void {
    try {
      const request = RequestEnvelope.decode(data);
      this.#assertOpen();
      const method = findMethod(this.#options.services, request.service, request.method);
      this.#takeSlot();
      const timeoutNanos = request.timeoutNanos === 0n ? undefined : request.timeoutNanos;
      const call = this.#openCall(streamId, `${request.service}/${request.method}`, timeoutNanos);
      const work = this.#work(call, method, { ...request, timeoutNanos, signal: call.controller.signal });
      this.#options.onWork(
        work.finally(() => {
          this.#options.slots.give(1);
          release();
        }),
      );
    } catch (error) {
      release();
      this.#refuse(streamId, asSealiftError(error));
    }
  }

  #assertOpen(): void {
    if (this.#isStopping) throw new SealiftError('TTRPC_CLOSED', 'call: refused, because the server is stopping');
  }

  #takeSlot(): void {
    const { limits, slots } = this.#options;
    const { maxTtrpcConnectionRequests: perConnection, maxTtrpcRequests: all } = limits;
    if (this.#calls.size < perConnection && slots.take(1)) return;
    const message = `call: expected fewer than ${perConnection} calls in flight here and ${all} in all, got ${this.#calls.size} here`;
    throw new SealiftError('TTRPC_OVERLOADED', message);
  }

  #openCall(streamId: number, subject: string, timeoutNanos: bigint | undefined): OpenCall {
    const ms = deadlineMs(timeoutNanos);
    const deadline =
      ms === undefined
        ? undefined
        : setTimeout(
            () => this.#end(streamId, deadlineExceeded(subject, timeoutNanos)),
            ms - Math.min(ms * ANSWER_MARGIN.share, ANSWER_MARGIN.maxMs),
          );
    const call = { streamId, controller: new AbortController(), deadline };
    this.#calls.set(streamId, call);
    return call;
  }

  async #work(call: OpenCall, method: Method, methodCall: MethodCall): Promise<void> {
    const { streamId } = call;
    const reply = await this.#answer(method, methodCall);
    if (this.#calls.get(streamId) !== call) return;
    this.#forget(call);
    this.#send(streamId, reply);
    this.#closeWhenDone();
  }

  async #answer(method: Method, call: MethodCall): Promise<Reply> {
    try {
      return await method(call);
    } catch (error) {
      const known = asSealiftError(error);
      if (known.kind === 'internal') this.#options.onFault(known);
      return failWith(known);
    }
  }

  #forget({ streamId, deadline }: OpenCall): void {
    clearTimeout(deadline);
    this.#calls.delete(streamId);
  }

  /** Ends a call with `error`. The response is sent first, because the method may take long to end, or never do. */
  #end(streamId: number, error: SealiftError): void {
    const call = this.#calls.get(streamId);
    if (call === undefined) return;
    this.#forget(call);
    this.#send(streamId, failWith(error));
    call.controller.abort(error);
    this.#closeWhenDone();
  }

  /** Answers a frame with `error`. A stream has one response, so this ends a call that is in flight on it. */
  #refuse(streamId: number, error: SealiftError): void {
    this.#options.onFault(error);
    if (this.#calls.has(streamId)) this.#end(streamId, error);
    else this.#send(streamId, failWith(error));
  }

  #send(streamId: number, reply: Reply): void {
    if (this.#socket.destroyed) return;
    const { limits } = this.#options;
    const socket = this.#socket;
    if (!socket.write(formatFrame({ streamId, type: FRAME_TYPE.response, flags: 0 }, this.#encode(reply)))) {
      socket.pause();
      this.#drainTimer ??= this.#closeLater('the client did not read a response in time');
    }
    if (socket.writableLength <= limits.maxTtrpcBufferedBytes) return;
    this.#report(`the client left more than ${limits.maxTtrpcBufferedBytes} bytes of responses unread`);
    this.close();
  }

  #encode(reply: Reply): Uint8Array {
    const { maxTtrpcMessageBytes } = this.#options.limits;
    const bytes = ResponseEnvelope.encode(reply);
    if (bytes.byteLength <= maxTtrpcMessageBytes) return bytes;
    const message = `response: expected at most ${maxTtrpcMessageBytes} bytes, got ${bytes.byteLength}`;
    return ResponseEnvelope.encode(failWith(new SealiftError('TTRPC_MESSAGE_TOO_LARGE', message)));
  }

  #drained(): void {
    clearTimeout(this.#drainTimer);
    this.#drainTimer = undefined;
    this.#socket.resume();
  }

  #closeWhenDone(): void {
    if (this.#isStopping && this.#calls.size === 0) this.#socket.destroySoon();
  }

  #report(reason: string, cause?: Error): void {
    this.#options.onFault(new SealiftError('TTRPC_CLOSED', `connection: ${reason}`, { cause }));
  }

  #closed(): void {
    this.#isClosed = true;
    clearTimeout(this.#frame.timer);
    clearTimeout(this.#drainTimer);
    this.#reader.close();
    this.abort(new SealiftError('TTRPC_CLOSED', 'call: the connection was closed before the response'));
    this.#options.onClosed(this);
  }
}

function isNewStream({ type, streamId }: FrameHeader): boolean {
  return type === FRAME_TYPE.request && streamId % 2 === 1;
}
