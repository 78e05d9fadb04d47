import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pushImage } from '../test/support/builders/image-builder.ts';
import { hasCommand, IS_ROOT } from '../test/support/machine/commands.ts';
import { unmountBelow } from '../test/support/machine/mounts.ts';
import { Scratch } from '../test/support/machine/scratch.ts';
import { runBundle } from '../test/support/oracles/crun.ts';
import { startDockerRegistry } from '../test/support/registries/docker-registry.ts';
import { buildDemoImages, type DemoImage } from './demo-images.ts';
import { formatTable } from './format-table.ts';

const SEALIFT = fileURLToPath(new URL('../dist/sealift', import.meta.url));

const say = (text = ''): void => console.log(text);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;

/** Shows the command, runs it and returns its duration. On a terminal the user sees its progress. */
async function runStep(parameters: readonly string[]): Promise<number> {
  say(`$ sealift ${parameters.join(' ')}`);
  const isTerminal = process.stderr.isTTY === true;
  const start = performance.now();
  const child = spawn(SEALIFT, parameters, { stdio: ['ignore', 'pipe', isTerminal ? 'inherit' : 'pipe'] });
  const said: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => said.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`sealift ended with ${code}\n${Buffer.concat(said)}`);
  return performance.now() - start;
}

async function showImage(demo: DemoImage, host: string, scratch: Scratch): Promise<string[]> {
  const { title, repository, image, files, pinned } = demo;
  const reference = pinned ? `${host}/${repository}@${image.top.digest}` : `${host}/${repository}:latest`;
  const store = scratch.join('store');
  const slug = repository.replace('/', '-');
  const policy = pinned ? [] : ['--insecure-policy'];
  const options = ['--tls-verify=false', ...policy, '--store', store];
  const bundles = [scratch.join(`${slug}-first`), scratch.join(`${slug}-second`)] as const;

  const first = await runStep(['pull', reference, ...options, '--bundle', bundles[0]]);
  const { code, stdout, stderr } = await runBundle(bundles[0]);
  if (code !== 0) throw new Error(`crun ended with ${code}: ${stderr}`);
  say(`$ crun run --bundle ${bundles[0]} ${title.split(/\W/)[0]}\n${stdout.toString().trimEnd()}`);
  const second = await runStep(['pull', reference, ...options, '--bundle', bundles[1]]);
  for (const bundle of bundles) await runStep(['umount', bundle, '--store', store]);
  say();

  const fetched = image.layers.reduce((sum, { size }) => sum + size, 0);
  const unpacked = image.layers.reduce((sum, { tarSize }) => sum + tarSize, 0);
  const layers = String(image.layers.length);
  return [title, layers, String(files), megabytes(fetched), megabytes(unpacked), seconds(first), seconds(second)];
}

async function demo(): Promise<void> {
  using scratch = new Scratch('demo');
  try {
    await using registry = await startDockerRegistry();
    say(`A registry listens on ${registry.host}; making images for it …\n`);
    const images = await buildDemoImages(scratch.path);
    for (const { repository, image } of images) await pushImage(registry.url, repository, 'latest', image);
    const rows: string[][] = [];
    for (const image of images) rows.push(await showImage(image, registry.host, scratch));
    const head = ['image', 'layers', 'entries', 'to fetch', 'unpacked', 'first pull', 'from the store'];
    say(formatTable(head, rows));
  } finally {
    await unmountBelow(scratch.path);
  }
}

function findObstacle(): string | undefined {
  if (!IS_ROOT) return 'the demo mounts file systems and starts containers: run it as root';
  const missing = ['docker-registry', 'crun', 'busybox', 'dpkg-deb'].filter((command) => !hasCommand(command));
  return missing.length === 0 ? undefined : `missing: ${missing.join(', ')}; \`npm run demo\` installs what it needs`;
}

const obstacle = findObstacle();
if (obstacle !== undefined) {
  console.error(obstacle);
  process.exit(1);
}

// The terminal sends the signal to the children as well. They end, and everything begun is undone on exit.
let interrupted: number | undefined;
process.on('SIGINT', () => {
  interrupted = 130;
});
process.on('SIGTERM', () => {
  interrupted = 143;
});
try {
  await demo();
} catch (error) {
  if (interrupted === undefined) console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
if (interrupted !== undefined) process.exitCode = interrupted;
