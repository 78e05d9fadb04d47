import type { ChildProcess } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { AGENT_HOST, AGENT_PORT } from './agent-protocol.ts';
import { QmpClient } from './qmp-client.ts';
import { killAndWait, spawnSupervised } from './supervised-process.ts';
import type { PodVmOptions } from './types.ts';
import type { VmDisk } from './vm-disk.ts';

export interface QemuOptions {
  readonly vm: PodVmOptions;
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly serialPath: string;
  /** On the host's loopback; the agent reaches it, or nothing when absent. */
  readonly agentPort?: number;
  /** Plugged in from the start, or after a restored machine has begun to run. */
  readonly disks?: readonly VmDisk[];
  /** What `saveState` left, to go on with instead of booting. */
  readonly statePath?: string;
}

/** https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#qapidoc-query-migrate */
interface Migration {
  readonly status?: string;
  readonly 'error-desc'?: string;
}

const NETWORK = 'net0';
const STATE_BYTES_PER_SECOND = 1e12;
const STATE_POLL_MS = 20;

/**
 * A processor with AES instructions and without AVX, which QEMU emulates by a call for each instruction: the guest needs
 * a sixth less time than with the model `max`.
 */
const CPU = 'Westmere,+rdrand,+rdseed';

/** QEMU without KVM: nested virtualisation is not available where the tests run. */
export class QemuProcess {
  readonly qmp: QmpClient;
  /** Rejects with QEMU's output when it ends. */
  readonly ended: Promise<never>;
  readonly #child: ChildProcess;

  constructor(options: QemuOptions) {
    this.#child = spawnSupervised('qemu-system-x86_64', listParameters(options), { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr } = this.#child;
    if (stdin === null || stdout === null || stderr === null) throw new Error('QEMU was started without pipes');
    this.qmp = new QmpClient(stdout, stdin);
    const said: string[] = [];
    stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    this.ended = new Promise((_, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => reject(new Error(`QEMU ended with ${code}: ${said.join('')}`)));
    });
    this.ended.catch(() => undefined);
  }

  /** Negotiates capabilities; QMP refuses everything before that. */
  async negotiate(): Promise<void> {
    await this.qmp.execute('qmp_capabilities');
  }

  /** Returns guest port to host port, as the kernel chose it. */
  async listForwardedPorts(): Promise<ReadonlyMap<number, number>> {
    const listed = await this.qmp.execute('human-monitor-command', { 'command-line': 'info usernet' });
    const rows = String(listed).matchAll(/TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+10\.0\.2\.15\s+(\d+)/g);
    return new Map([...rows].map(([, host, guest]) => [Number(guest), Number(host)]));
  }

  /** Stops the machine and writes its memory and devices to a file. */
  async saveState(path: string): Promise<void> {
    await this.qmp.execute('stop');
    await this.qmp.execute('migrate-set-parameters', { 'max-bandwidth': STATE_BYTES_PER_SECOND });
    await this.qmp.execute('migrate', { uri: `exec:cat > '${path}'` });
    for (;;) {
      const { status, 'error-desc': reason } = (await this.qmp.execute('query-migrate')) as Migration;
      if (status === 'completed') return;
      if (status === 'failed') throw new Error(`QEMU did not save its state to ${path}: ${reason}`);
      await setTimeout(STATE_POLL_MS);
    }
  }

  /** Lets a restored machine go on once its state is read. */
  async resumeRestored(): Promise<void> {
    for (;;) {
      const { status } = (await this.qmp.execute('query-status')) as { readonly status: string };
      if (status !== 'inmigrate') break;
      await setTimeout(STATE_POLL_MS);
    }
    await this.qmp.execute('cont');
  }

  kill(): Promise<void> {
    return killAndWait(this.#child);
  }
}

function listParameters({ vm, agentPort, disks = [], statePath, ...paths }: QemuOptions): string[] {
  const { memoryMb = 3072, cpus = 1, forwardPorts = [], kernelParameters = '' } = vm;
  const forwards = forwardPorts.map((port) => `,hostfwd=tcp:127.0.0.1:0-10.0.2.15:${port}`);
  // QEMU starts the command when the agent dials.
  const agent =
    agentPort === undefined ? '' : `,guestfwd=tcp:${AGENT_HOST}:${AGENT_PORT}-cmd:busybox nc 127.0.0.1 ${agentPort}`;
  const kernel = [
    'console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests tsc=reliable no_timer_check init_on_alloc=0',
    // The emulator finds code again that lies at the same address in each process: the guest needs a tenth less time.
    'norandmaps',
    // A processor that the emulator lets spin for good ends the machine, so that the tests say so and do not wait.
    'softlockup_panic=1 watchdog_thresh=60',
    kernelParameters,
  ];
  return [
    ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ['-accel', 'tcg,thread=multi', '-cpu', CPU, '-smp', String(cpus), '-m', String(memoryMb)],
    ['-kernel', paths.kernelPath],
    statePath === undefined
      ? ['-initrd', paths.initramfsPath, '-append', kernel.join(' ').trim()]
      : ['-incoming', `exec:cat '${statePath}'`],
    ['-serial', `file:${paths.serialPath}`, '-qmp', 'stdio'],
    ['-netdev', `user,id=${NETWORK}${forwards.join('')}${agent}`],
    ['-device', `virtio-net-pci,netdev=${NETWORK},romfile=`],
    ...disks.map(({ blockdev, device }) => ['-blockdev', JSON.stringify(blockdev), '-device', JSON.stringify(device)]),
  ].flat();
}
