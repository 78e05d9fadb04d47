import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../entries/slow-proxy-entry.ts', import.meta.url));

export interface SlowWire {
  /** The rate of each connection by itself, in either direction. */
  readonly bytesPerSecond: number;
  /** The delay of a round trip, half of it in each direction. */
  readonly roundTripMs: number;
}

export interface SlowProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
}

/**
 * A distant server: delays bytes and limits their rate. It runs in a process of its own, so that this process does not
 * delay its timers.
 */
export async function startSlowProxy(upstreamHost: string, wire: SlowWire): Promise<SlowProxy> {
  const [, port = ''] = upstreamHost.split(':');
  const parameters = [PROGRAM, port, String(wire.bytesPerSecond), String(wire.roundTripMs)];
  const child = spawn(process.execPath, parameters, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const ended = once(child, 'exit');
  const line = await Promise.race([once(child.stdout, 'data'), ended.then(() => undefined)]);
  if (line === undefined) throw new Error('the slow proxy did not start');
  return {
    host: `127.0.0.1:${String(line[0]).trim()}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
