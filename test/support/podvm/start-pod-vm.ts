import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentClient } from './agent-client.ts';
import { CACHE_FOLDER } from './cache-folder.ts';
import { buildInitramfs } from './initramfs.ts';
import { loadGuestKernel } from './kernel-package.ts';
import { QemuProcess } from './qemu-process.ts';
import { RunningPodVm } from './running-pod-vm.ts';
import { loadSavedState } from './saved-state.ts';
import { ReapedFolder } from './supervised-process.ts';
import type { PodVm, PodVmOptions } from './types.ts';
import { VmDisk } from './vm-disk.ts';

const DIST = fileURLToPath(new URL('../../../dist', import.meta.url));
const BOOT_TIMEOUT_MS = 600_000;
const TAIL_LINES = 40;

/** Boots a VM with the project's build in it, and returns when its agent answers. `stop` it. */
export async function startPodVm(options: PodVmOptions): Promise<PodVm> {
  if (!existsSync(join(DIST, 'sealift'))) throw new Error(`${DIST} holds no program; run \`make build\` first`);
  const kernel = await loadGuestKernel();
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(new ReapedFolder('podvm'));
  const initramfs = await buildInitramfs(kernel, DIST);
  const statePath = isRestorable(options) ? await loadSavedState(kernel, initramfs) : undefined;
  const initramfsPath = folder.join('initramfs');
  if (statePath === undefined) initramfs.write(initramfsPath);
  const disks = new Map<string, VmDisk>();
  undo.defer(async () => {
    for (const disk of disks.values()) await disk.close();
  });
  for (const each of options.disks ?? []) disks.set(each.serial, await VmDisk.open(each, folder.path));
  const server = await listen();
  undo.defer(() => void server.close());
  const serialPath = prepareSerialPath(options.name);
  const startedAt = performance.now();
  const qemu = new QemuProcess({
    vm: options,
    kernelPath: kernel.image,
    initramfsPath,
    serialPath,
    agentPort: portOf(server),
    ...(statePath === undefined ? { disks: [...disks.values()] } : { statePath }),
  });
  undo.defer(() => qemu.kill());
  await qemu.negotiate().catch(() => qemu.ended);
  if (statePath !== undefined) await qemu.resumeRestored();
  const socket = await awaitAgent({ server, qemu, serialPath, timeoutMs: options.bootTimeoutMs ?? BOOT_TIMEOUT_MS });
  const bootSeconds = (performance.now() - startedAt) / 1000;
  const agent = new AgentClient(socket);
  undo.defer(() => agent.close());
  const ports = await qemu.listForwardedPorts();
  const vm = new RunningPodVm({ agent, qemu, disks, folder, ports, serialPath, bootSeconds, resources: undo.move() });
  try {
    if (statePath !== undefined) await catchUp(vm, [...disks.values()]);
    return vm;
  } catch (error) {
    await vm.stop();
    throw error;
  }
}

/** A saved machine has the memory, processors and kernel parameters of the defaults. */
function isRestorable({ fromState = false, memoryMb, cpus, kernelParameters }: PodVmOptions): boolean {
  return fromState && memoryMb === undefined && cpus === undefined && kernelParameters === undefined;
}

/** Gives a restored machine what it has missed: the time, and its disks. */
async function catchUp(vm: RunningPodVm, disks: readonly VmDisk[]): Promise<void> {
  await vm.mustRun(['date', '-u', '-s', `@${Math.floor(Date.now() / 1000)}`]);
  for (const { blockdev, device } of disks) {
    await vm.monitor('blockdev-add', blockdev);
    await vm.monitor('device_add', device);
  }
  for (const { serial } of disks) await vm.disk(serial);
}

function prepareSerialPath(name: string): string {
  const folder = join(CACHE_FOLDER, 'serial');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${name}.log`);
}

function listen(): Promise<Server> {
  const server = createServer({ allowHalfOpen: false });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no port');
  return address.port;
}

interface BootOptions {
  readonly server: Server;
  readonly qemu: QemuProcess;
  readonly serialPath: string;
  readonly timeoutMs: number;
}

async function awaitAgent({ server, qemu, serialPath, timeoutMs }: BootOptions): Promise<Socket> {
  let timer: NodeJS.Timeout | undefined;
  const connected = new Promise<Socket>((resolve, reject) => {
    server.once('connection', resolve);
    timer = setTimeout(() => reject(new Error(`its agent said nothing for ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([connected, qemu.ended]);
  } catch (cause) {
    const tail = readFileSync(serialPath, 'utf8').split('\n').slice(-TAIL_LINES).join('\n');
    throw new Error(`the pod VM did not come up; its serial output is in ${serialPath} and ends:\n${tail}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
