import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { type CommandResult, runCommand } from '../machine/commands.ts';
import { Scratch } from '../machine/scratch.ts';
import { until } from '../patience.ts';

/** A containerd of its own, without CRI, that shares no content between namespaces. Needs root. */
export class Containerd implements AsyncDisposable {
  readonly #scratch: Scratch;
  readonly #child: ChildProcess;

  private constructor(scratch: Scratch, child: ChildProcess) {
    this.#scratch = scratch;
    this.#child = child;
  }

  static async start(): Promise<Containerd> {
    const scratch = new Scratch('containerd');
    const config = scratch.join('config.toml');
    writeFileSync(config, configure(scratch.path));
    const child = spawn('containerd', ['--config', config, '--log-level', 'error'], { stdio: 'ignore' });
    const containerd = new Containerd(scratch, child);
    await until(() => existsSync(containerd.#socket) || containerd.#hasEnded);
    const { code, stderr } = await containerd.#ctr(['version']);
    if (code === 0) return containerd;
    await containerd[Symbol.asyncDispose]();
    throw new Error(`containerd does not answer: ${stderr}`);
  }

  /** `ctr images pull` over plain HTTP, which unpacks the layers, into a namespace of its own. */
  pull(reference: string, namespace: string): Promise<CommandResult> {
    return this.#ctr(['-n', namespace, 'images', 'pull', '--plain-http', '--snapshotter', 'native', reference]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    if (!this.#hasEnded) await once(this.#child, 'exit');
    this.#scratch[Symbol.dispose]();
  }

  get #socket(): string {
    return this.#scratch.join('socket');
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #ctr(parameters: readonly string[]): Promise<CommandResult> {
    return runCommand('ctr', ['--address', this.#socket, ...parameters]);
  }
}

function configure(folder: string): string {
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${folder}/socket"
[plugins]
  [plugins."io.containerd.metadata.v1.bolt"]
    content_sharing_policy = "isolated"
  [plugins."io.containerd.internal.v1.opt"]
    path = "${folder}/opt"
`;
}
