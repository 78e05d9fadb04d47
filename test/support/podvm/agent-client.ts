import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Socket } from 'node:net';
import { type Duplex, PassThrough, type Readable } from 'node:stream';
import {
  AGENT_ROUTES,
  ERROR_HEADER,
  encodeParameters,
  FRAME,
  type FrameKind,
  FrameReader,
  PARAMETERS_HEADER,
  SESSION_SETTINGS,
  SESSION_WINDOW,
} from './agent-protocol.ts';
import type { GuestCommandOptions, GuestProcess, GuestResult, GuestRunOptions } from './types.ts';

const RUN_TIMEOUT_MS = 600_000;

/** The host's end of the agent's connection. */
export class AgentClient {
  readonly #session: ClientHttp2Session;

  constructor(socket: Socket) {
    socket.setNoDelay(true);
    this.#session = connect('http://guest', { createConnection: () => socket, ...SESSION_SETTINGS });
    this.#session.on('connect', () => this.#session.setLocalWindowSize(SESSION_WINDOW));
    // Each stream has its own error.
    this.#session.on('error', () => undefined);
  }

  async spawn(argv: readonly string[], options: GuestCommandOptions = {}): Promise<GuestProcess> {
    const { stdin, env = {} } = options;
    const stream = await this.#open(AGENT_ROUTES.run, { argv, env });
    if (stdin !== undefined) stream.end(stdin);
    return this.#follow(stream, argv);
  }

  async run(argv: readonly string[], options: GuestRunOptions = {}): Promise<GuestResult> {
    const { timeoutMs = RUN_TIMEOUT_MS, stdin = '', ...rest } = options;
    const child = await this.spawn(argv, { ...rest, stdin });
    const [stdout, stderr] = [new Output(child.stdout), new Output(child.stderr)];
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const said = `--- stdout\n${stdout.bytes()}\n--- stderr\n${stderr.bytes()}`;
        reject(new Error(`${argv.join(' ')}: not done after ${timeoutMs} ms\n${said}`));
      }, timeoutMs);
    });
    try {
      const code = await Promise.race([child.exited, late]);
      await Promise.all([stdout.ended, stderr.ended]);
      return { code, stdout: stdout.bytes(), stderr: stderr.bytes().toString() };
    } finally {
      clearTimeout(timer);
      await child[Symbol.asyncDispose]();
    }
  }

  async connect(path: string): Promise<Duplex> {
    const stream = await this.#open(AGENT_ROUTES.connect, { path });
    // The default of `net.connect`.
    stream.once('end', () => stream.end());
    return stream;
  }

  close(): void {
    this.#session.destroy();
  }

  #open(route: string, parameters: object): Promise<ClientHttp2Stream> {
    const headers = { ':method': 'POST', ':path': route, [PARAMETERS_HEADER]: encodeParameters(parameters) };
    return new Promise((resolve, reject) => {
      const stream = this.#session.request(headers, { endStream: false });
      const fail = (): void => reject(new Error(`the pod VM's agent is gone (${route} ${JSON.stringify(parameters)})`));
      stream.once('error', reject);
      stream.once('close', fail);
      stream.once('response', (answer) => {
        stream.off('error', reject).off('close', fail);
        if (answer[':status'] === 200) return resolve(stream);
        stream.on('error', () => undefined).destroy();
        const code = String(answer[ERROR_HEADER] ?? 'EIO');
        reject(Object.assign(new Error(`${code}: ${route} ${JSON.stringify(parameters)}`), { code }));
      });
    });
  }

  async #follow(stream: ClientHttp2Stream, argv: readonly string[]): Promise<GuestProcess> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const started = Promise.withResolvers<number>();
    const exited = Promise.withResolvers<number>();
    // A process whose end is not awaited must not cause an unhandled rejection.
    exited.promise.catch(() => undefined);
    // Output that is not read stays in memory: a daemon must not stop because a test does not read its log.
    const take: Readonly<Record<FrameKind, (payload: Buffer) => unknown>> = {
      [FRAME.started]: (payload) => started.resolve(Number(payload.toString())),
      [FRAME.stdout]: (payload) => stdout.write(payload),
      [FRAME.stderr]: (payload) => stderr.write(payload),
      [FRAME.exited]: (payload) => exited.resolve(Number(payload.toString())),
    };
    const reader = new FrameReader();
    stream.on('data', (chunk: Buffer) => {
      for (const { kind, payload } of reader.read(chunk)) take[kind](payload);
    });
    stream.on('error', () => undefined);
    const finish = (): void => {
      const error = new Error(`the pod VM went away while it ran ${argv.join(' ')}`);
      started.reject(error);
      exited.reject(error);
      stdout.end();
      stderr.end();
    };
    stream.once('end', finish).once('close', finish);
    const pid = await started.promise;
    return {
      pid,
      stdin: stream,
      stdout,
      stderr,
      exited: exited.promise,
      kill: (signal = 'SIGKILL', target = 'process') => this.#signal(target === 'group' ? -pid : pid, signal),
      // The agent kills the group of a process whose stream is reset.
      [Symbol.asyncDispose]: async () => stream.close(constants.NGHTTP2_CANCEL),
    };
  }

  async #signal(pid: number, signal: NodeJS.Signals): Promise<void> {
    const stream = await this.#open(AGENT_ROUTES.signal, { pid, signal }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ESRCH') return undefined;
      throw error;
    });
    stream?.on('error', () => undefined).destroy();
  }
}

class Output {
  readonly ended: Promise<void>;
  readonly #chunks: Buffer[] = [];

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.ended = new Promise((resolve) => stream.once('end', resolve));
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
