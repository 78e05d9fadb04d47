/**
 * The program in the pod VM that does what the test requests. It never touches a file itself: a stalled disk blocks
 * other processes only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import {
  constants as http2,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { ioctl } from '../../../src/platform/syscalls.ts';
import {
  AGENT_HOST,
  AGENT_PORT,
  AGENT_READY,
  AGENT_ROUTES,
  type ConnectParameters,
  decodeParameters,
  ERROR_HEADER,
  encodeFrame,
  encodeNumberFrame,
  FRAME,
  PARAMETERS_HEADER,
  type RunParameters,
  SESSION_SETTINGS,
  SESSION_WINDOW,
  type SignalParameters,
} from './agent-protocol.ts';

/** How long the agent waits before it dials again: a machine that is to be saved reaches no test. */
const REDIAL_MS = 50;
/** linux/random.h */
const RNDRESEEDCRNG = { name: 'RNDRESEEDCRNG', number: 0x5207 };

/**
 * The fork waits until the child has its program; a shell from memory has it at once, whatever disk the real one lies on.
 * What the agent starts may be ended when memory runs out, the agent may not.
 */
const START = 'echo 0 > /proc/self/oom_score_adj; exec "$@"';

function serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const parameters = headers[PARAMETERS_HEADER];
  stream.on('error', () => undefined);
  switch (headers[':path']) {
    case AGENT_ROUTES.run:
      runCommand(stream, decodeParameters(parameters));
      break;
    case AGENT_ROUTES.signal:
      sendSignal(stream, decodeParameters(parameters));
      break;
    case AGENT_ROUTES.connect:
      connectSocket(stream, decodeParameters(parameters));
      break;
    default:
      refuse(stream, 'ENOSYS');
  }
}

function runCommand(stream: ServerHttp2Stream, { argv, env }: RunParameters): void {
  const child = spawn('/bin/sh', ['-c', START, 'sh', ...argv], {
    detached: true,
    env: { PATH: '/usr/sbin:/usr/bin', HOME: '/root', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.once('error', (error: NodeJS.ErrnoException) => refuse(stream, error.code ?? 'EIO'));
  child.once('spawn', () => {
    stream.respond({ ':status': 200 });
    stream.write(encodeNumberFrame(FRAME.started, child.pid ?? 0));
  });
  forward(child, stream);
  child.stdin.on('error', () => undefined);
  stream.pipe(child.stdin);
  let running = true;
  child.once('close', (code, signal) => {
    running = false;
    stream.end(encodeNumberFrame(FRAME.exited, code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
  stream.once('close', () => {
    if (running && child.pid !== undefined) kill(-child.pid, 'SIGKILL');
  });
}

function forward(child: ChildProcess, stream: ServerHttp2Stream): void {
  const outputs = [
    [FRAME.stdout, child.stdout],
    [FRAME.stderr, child.stderr],
  ] as const;
  for (const [kind, output] of outputs) {
    output?.on('data', (chunk: Buffer) => {
      if (stream.closed || stream.write(encodeFrame(kind, chunk))) return;
      for (const [, each] of outputs) each?.pause();
    });
  }
  stream.on('drain', () => {
    for (const [, each] of outputs) each?.resume();
  });
  // The output is no longer read, but the program must not block on a full pipe.
  stream.once('close', () => {
    for (const [, each] of outputs) each?.resume();
  });
}

function sendSignal(stream: ServerHttp2Stream, { pid, signal }: SignalParameters): void {
  const code = kill(pid, signal);
  if (code === undefined) stream.respond({ ':status': 200 }, { endStream: true });
  else refuse(stream, code);
}

function kill(pid: number, signal: NodeJS.Signals): string | undefined {
  try {
    process.kill(pid, signal);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

function connectSocket(stream: ServerHttp2Stream, { path }: ConnectParameters): void {
  const socket = connect({ path, allowHalfOpen: true });
  socket.once('connect', () => {
    stream.respond({ ':status': 200 });
    socket.pipe(stream);
    stream.pipe(socket);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => refuse(stream, error.code ?? 'EIO'));
  // When the peer closes, this side closes too.
  socket.once('close', (broken) => {
    if (broken) stream.close(http2.NGHTTP2_CANCEL);
  });
  stream.once('close', () => socket.destroy());
}

function refuse(stream: ServerHttp2Stream, code: string): void {
  if (stream.headersSent || stream.destroyed) return;
  stream.respond({ ':status': 500, [ERROR_HEADER]: code }, { endStream: true });
}

/** All machines restored from one state have the same random numbers ahead of them until each takes new entropy. */
function reseed(): void {
  const random = openSync('/dev/urandom', 'r+');
  ioctl(random, RNDRESEEDCRNG, null);
  closeSync(random);
}

function dial(): void {
  const socket = connect(AGENT_PORT, AGENT_HOST);
  let isConnected = false;
  socket.setNoDelay(true);
  socket.on('error', (error) => isConnected && process.stderr.write(`agent: ${error.message}\n`));
  socket.once('close', () => {
    // Init starts the agent again; the test has its error by then.
    if (isConnected) process.exit(1);
    setTimeout(dial, REDIAL_MS);
  });
  socket.once('connect', () => {
    isConnected = true;
    reseed();
    const session = performServerHandshake(socket, SESSION_SETTINGS);
    session.setLocalWindowSize(SESSION_WINDOW);
    session.on('stream', serve);
    session.on('error', (error) => process.stderr.write(`agent: ${error.message}\n`));
  });
}

writeFileSync('/proc/self/oom_score_adj', '-1000');
writeFileSync('/dev/console', `${AGENT_READY}\n`);
dial();
