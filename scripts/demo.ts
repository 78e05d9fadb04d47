import { execFileSync } from 'node:child_process';
import { pushImage } from '../test/support/builders/image-builder.ts';
import { hasCommand, IS_ROOT } from '../test/support/machine/commands.ts';
import { AgentClient } from '../test/support/podvm/agent-calls.ts';
import { startPodVm } from '../test/support/podvm/start-pod-vm.ts';
import { ReapedFolder } from '../test/support/podvm/supervised-process.ts';
import type { GuestDisk, PodVm } from '../test/support/podvm/types.ts';
import { POD_VM_NEEDS } from '../test/support/podvm/use-pod-vm.ts';
import { startDockerRegistry } from '../test/support/registries/docker-registry.ts';
import { buildDemoImages, type DemoImage } from './demo-images.ts';
import { formatTable } from './format-table.ts';

const DISK_BYTES = 4 * 2 ** 30;
const DAEMON = '/usr/lib/sealift/sealiftd';
const CONFIG = '/run/confidential-containers/initdata/cdh.toml';
const SOCKET = '/run/confidential-containers/cdh.sock';
const STORE = '/run/kata-containers/image';
/** The registry of the demo speaks http, and one image is named by a tag. */
const SETTINGS = '[pull]\ntls_verify = false\ninsecure_policy = true\n';
/** Bytes in every image, too long to occur in noise by chance: a search of the disk must not find them. */
const KNOWN_WORDS = ['BusyBox', 'GNU General Public License', '\x7fELF\x02\x01\x01\x00\x00'] as const;

const say = (text = ''): void => console.log(text);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function timed<Value>(work: () => Promise<Value>): Promise<readonly [Value, string]> {
  const start = performance.now();
  const value = await work();
  return [value, `${((performance.now() - start) / 1000).toFixed(2)} s`];
}

/** Starts the daemon and waits for its socket, as the kata agent does. */
async function startDaemon(vm: PodVm): Promise<string> {
  const [, time] = await timed(async () => {
    const daemon = await vm.spawn([DAEMON, '-c', CONFIG]);
    daemon.stdout.resume();
    daemon.stderr.resume();
    await vm.mustRun(['sh', '-c', `until test -S ${SOCKET}; do usleep 20000; done`]);
  });
  return time;
}

async function showImage(vm: PodVm, agent: AgentClient, demo: DemoImage, host: string): Promise<string[]> {
  const { title, repository, image, files, pinned } = demo;
  const reference = pinned ? `${host}/${repository}@${image.top.digest}` : `${host}/${repository}:latest`;
  const slug = repository.replace('/', '-');
  const bundles = [`/run/kata-containers/${slug}-1`, `/run/kata-containers/${slug}-2`] as const;
  const pull = (bundle: string) =>
    timed(async () => {
      await vm.mustRun(['mkdir', '-p', bundle]);
      await agent.pullImage(reference, bundle);
    });
  say(`agent → PullImage ${reference}`);
  const [, first] = await pull(bundles[0]);
  const { code, stdout, stderr } = await vm.run(['crun', 'run', '--no-pivot', '--bundle', bundles[0], slug]);
  if (code !== 0) throw new Error(`crun ended with ${code}: ${stderr}`);
  say(`  container says: ${stdout.toString().trim()}`);
  const [, second] = await pull(bundles[1]);
  const fetched = image.layers.reduce((sum, { size }) => sum + size, 0);
  const unpacked = image.layers.reduce((sum, { tarSize }) => sum + tarSize, 0);
  return [title, String(image.layers.length), String(files), megabytes(fetched), megabytes(unpacked), first, second];
}

/** Shows the host's side: bytes are allocated, and no content of the images is found in them. */
async function showHostSide(vm: PodVm, disk: GuestDisk): Promise<void> {
  await vm.dropCaches();
  say(`\nThe host's side of the disk: ${megabytes(disk.image.allocatedBytes())} allocated.`);
  for (const words of KNOWN_WORDS) {
    const found = await disk.image.find(Buffer.from(words, 'latin1'));
    say(`  ${JSON.stringify(words)}: ${found === undefined ? 'not found' : `found at ${found}`}`);
  }
  const [extent] = (await disk.image.listExtents()).slice(-1);
  const sample = extent === undefined ? Buffer.alloc(0) : disk.image.read(extent.start + extent.length - 4096, 48);
  say(`  a sample: ${sample.toString('hex')}`);
}

async function demo(): Promise<void> {
  const folder = new ReapedFolder('demo');
  await using registry = await startDockerRegistry();
  say(`A registry listens on ${registry.host}; making images for it …`);
  const images = await buildDemoImages(folder.path);
  for (const { repository, image } of images) await pushImage(registry.url, repository, 'latest', image);
  say('Booting a pod VM (software emulation, so ten to thirty times slower than a real one) …');
  await using vm = await startPodVm({ name: 'demo', disks: [{ serial: 'image_store', size: DISK_BYTES }] });
  await vm.writeFile(CONFIG, SETTINGS);
  const disk = await vm.disk('image_store');
  const daemon = await startDaemon(vm);
  const agent = await AgentClient.open(vm, SOCKET, folder.path);
  try {
    say(`\nagent → SecureMount deviceId=${disk.deviceId} on ${STORE}`);
    const [, store] = await timed(() => agent.secureMount(disk.deviceId, `${STORE}/`));
    say(`  ${(await vm.mustRun(['sh', '-c', "dmsetup table | grep -o 'crypt.*' | cut -d' ' -f1-3,6-"])).trim()}\n`);
    const rows: string[][] = [];
    const host = registry.host.replace('127.0.0.1', vm.registryHost);
    for (const image of images) rows.push(await showImage(vm, agent, image, host));
    await showHostSide(vm, disk);
    say(
      `\nIn the emulated VM: kernel and agent up in ${vm.bootSeconds.toFixed(1)} s, daemon's socket ${daemon}, store ${store}.\n`,
    );
    say(formatTable(['image', 'layers', 'entries', 'to fetch', 'unpacked', 'first pull', 'from the store'], rows));
  } finally {
    await agent.close();
    await folder[Symbol.asyncDispose]();
  }
}

/** The VM is an x86-64 machine. Other machines run the demo without it and say so. */
function runLocally(reason: string): void {
  console.error(`No pod VM here (${reason}): showing pull, mount and run on this machine instead.\n`);
  execFileSync(process.execPath, [...process.execArgv, new URL('./demo-local.ts', import.meta.url).pathname], {
    stdio: 'inherit',
  });
}

function findObstacle(): string | undefined {
  if (process.arch !== 'x64') return `it needs x86-64, this is ${process.arch}`;
  const commands = POD_VM_NEEDS.filter((need) => need !== 'x86-64');
  const missing = commands.filter((command) => !hasCommand(command));
  return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}`;
}

if (!IS_ROOT) {
  console.error('the demo reads images of Debian packages and boots a machine: run it as root');
  process.exit(1);
}
const obstacle = findObstacle();
if (obstacle === undefined) await demo();
else runLocally(obstacle);
