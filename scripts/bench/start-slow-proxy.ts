import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('slow-proxy.ts', import.meta.url));

export interface SlowProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
}

/** See slow-proxy.ts. */
export async function startSlowProxy(upstreamHost: string): Promise<SlowProxy> {
  const [, port = ''] = upstreamHost.split(':');
  const child = spawn(process.execPath, [PROGRAM, port], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
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
