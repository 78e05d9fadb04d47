import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface RunningRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  stop(): Promise<void>;
}

export interface RegistryOptions {
  /** Wants Basic authentication with these. */
  readonly credentials?: typeof REGISTRY_CREDENTIALS;
}

export const REGISTRY_CREDENTIALS = { username: 'mate', password: 'seaworthy' } as const;

/** bcrypt of the password above: perl -e 'print crypt("seaworthy", q($2y$05$abcdefghijklmnopqrstuu))' */
const HTPASSWD = 'mate:$2y$05$abcdefghijklmnopqrstuuy7z/Qi9AMXmVdAfwBNRMOzsT1Xv9RT2\n';

/** Debian's docker-registry on a free loopback port, its storage in a temporary directory that `stop` removes. */
export async function startDockerRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'sealift-registry-'));
  writeFileSync(join(folder, 'config.yml'), configure(folder, options.credentials !== undefined));
  writeFileSync(join(folder, 'htpasswd'), HTPASSWD);
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  });
  const killOnExit = (): void => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', killOnExit);
  const stop = async (): Promise<void> => {
    process.off('exit', killOnExit);
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const host = await readAddress(child);
    return { host, url: `http://${host}`, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configure(folder: string, withCredentials: boolean): string {
  const auth = `auth:\n  htpasswd:\n    realm: test\n    path: ${join(folder, 'htpasswd')}\n`;
  return `version: 0.1
log:
  level: info
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: ${join(folder, 'storage')}
http:
  addr: 127.0.0.1:0
  relativeurls: true
${withCredentials ? auth : ''}`;
}

/** The port is the kernel's choice; the log names it. */
function readAddress(child: ChildProcess): Promise<string> {
  const { stderr } = child;
  if (stderr === null) throw new Error('docker-registry was started without a pipe for its log');
  const lines = createInterface({ input: stderr });
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    lines.on('line', (line) => {
      said.push(line);
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`docker-registry ended with ${code} before it listened:\n${said.join('\n')}`));
    });
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
