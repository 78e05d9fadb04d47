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
  const initramfsPath = folder.join('initramfs');
  await buildInitramfs(kernel, DIST, initramfsPath);
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
    disks: [...disks.values()],
  });
  undo.defer(() => qemu.kill());
  await qemu.negotiate().catch(() => qemu.ended);
  const socket = await awaitAgent({ server, qemu, serialPath, timeoutMs: options.bootTimeoutMs ?? BOOT_TIMEOUT_MS });
  const bootSeconds = (performance.now() - startedAt) / 1000;
  const agent = new AgentClient(socket);
  undo.defer(() => agent.close());
  const ports = await qemu.listForwardedPorts();
  return new RunningPodVm({ agent, qemu, disks, folder, ports, serialPath, bootSeconds, resources: undo.move() });
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
