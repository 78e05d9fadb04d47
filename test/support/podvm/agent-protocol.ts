/**
 * The agent dials the host and then serves HTTP/2 on that one connection: streams with flow control, half-closing and
 * reset are what it is for, and Node speaks it on both ends.
 */
export const AGENT_ROUTES = {
  /** Body: standard input. Answer: frames. */
  run: '/run',
  /** `x-parameters`: SignalParameters. */
  signal: '/signal',
  /** Body and answer: the bytes of a unix socket. */
  connect: '/connect',
} as const;

/**
 * Where the agent dials: QEMU forwards it to the test's listener. It is the same for each machine, so that one that was
 * saved finds the test that restored it.
 */
export const AGENT_HOST = '10.0.2.100';
export const AGENT_PORT = 1;
/** The agent writes this line to the console before it dials for the first time. */
export const AGENT_READY = 'agent: ready';

/** JSON in base64url. */
export const PARAMETERS_HEADER = 'x-parameters';
/** A code such as ENOENT, with any status but 200. */
export const ERROR_HEADER = 'x-error';

export interface RunParameters {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface SignalParameters {
  /** Negative: the process group. */
  readonly pid: number;
  readonly signal: NodeJS.Signals;
}

export interface ConnectParameters {
  readonly path: string;
}

/** Wide windows: round trips are slow under emulation. */
export const SESSION_SETTINGS = {
  maxSessionMemory: 1024,
  settings: { initialWindowSize: 1 << 20, maxConcurrentStreams: 1 << 20 },
  streamResetBurst: 1_000_000,
  streamResetRate: 1_000_000,
} as const;
export const SESSION_WINDOW = 16 << 20;

export const FRAME = { started: 0, stdout: 1, stderr: 2, exited: 3 } as const;

export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

const HEADER_BYTES = 5;

/** Encodes a frame: one byte of kind, four of length, the payload. */
export function encodeFrame(kind: FrameKind, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.writeUInt8(kind);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

export function encodeNumberFrame(kind: FrameKind, value: number): Buffer {
  return encodeFrame(kind, Buffer.from(String(value)));
}

/** Takes frames out of a stream that is cut anywhere. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  *read(chunk: Buffer): Generator<{ readonly kind: FrameKind; readonly payload: Buffer }> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#rest.readUInt32BE(1);
      if (this.#rest.length < end) return;
      const frame = { kind: this.#rest.readUInt8() as FrameKind, payload: this.#rest.subarray(HEADER_BYTES, end) };
      this.#rest = this.#rest.subarray(end);
      yield frame;
    }
  }
}

export function encodeParameters(parameters: object): string {
  return Buffer.from(JSON.stringify(parameters)).toString('base64url');
}

export function decodeParameters<T>(header: string | readonly string[] | undefined): T {
  return JSON.parse(Buffer.from(String(header), 'base64url').toString()) as T;
}
