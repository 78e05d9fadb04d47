import { readFileSync, rmSync, statfsSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { hasCommand, IS_ROOT, mustRun, runCommand } from '../test/support/commands.ts';
import { loadDebianFiles } from '../test/support/debian-files.ts';
import { startDockerRegistry } from '../test/support/docker-registry.ts';
import { type BuiltLayer, buildImage, buildLayer, pushImage } from '../test/support/image-builder.ts';
import { unmountBelow } from '../test/support/mounts.ts';
import { Scratch } from '../test/support/scratch.ts';
import { dir, file, type TarMember, tarStream } from '../test/support/tar-builder.ts';
import { formatTable } from './format-table.ts';

const SEALIFT = fileURLToPath(new URL('../dist/sealift', import.meta.url));
const ROUNDS = Number(process.env['ROUNDS'] ?? 3);
const MIN_FILES = 30_000;
const LAYER_BYTES = 1_000_000_000;
const TARGET_RATIO = 0.45;
/** Registry, stores and results of one run at a time, with room to spare. */
const NEEDED_BYTES = 6_000_000_000;

interface Sample {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

interface Contender {
  readonly name: string;
  /** A shell line that leaves its result below `folder`. */
  readonly line: (folder: string) => string;
}

/** Debian packages, as often as it takes, then large programs up to one GB. The same bytes in every run. */
async function* benchMembers(): AsyncGenerator<TarMember> {
  const packages = await loadDebianFiles();
  const members = packages.flatMap(({ members: each }) => each).filter(({ type }) => type !== '1');
  let [bytes, files] = [0, 0];
  for (let copy = 0; files < MIN_FILES; copy += 1) {
    yield dir(`copy-${copy}`);
    for (const member of members) {
      yield { ...member, name: `copy-${copy}/${member.name}` };
      bytes += 512 + sizeOf(member);
      if (member.type === '0') files += 1;
    }
  }
  const program = readFileSync(process.execPath);
  for (let copy = 0; bytes < LAYER_BYTES; copy += 1) {
    const size = Math.min(program.length, LAYER_BYTES - bytes, 20_000_000);
    const offset = (copy * 7_654_321) % (program.length - size);
    yield file(`programs/${copy}`, program.subarray(offset, offset + size), { mode: 0o755 });
    bytes += size + 512;
  }
}

function sizeOf({ content }: TarMember): number {
  return content instanceof Uint8Array || typeof content === 'string' ? content.length : 0;
}

async function* toArchive(members: AsyncIterable<TarMember>): AsyncGenerator<Buffer> {
  for await (const member of members) yield* tarStream([member], { end: 'none' });
  yield* tarStream([]);
}

async function measure(line: string): Promise<Sample> {
  await mustRun('sync', []);
  const { code, stderr } = await runCommand('/usr/bin/time', ['-f', '%e %U %S %M', 'sh', '-c', line]);
  if (code !== 0) throw new Error(`${line}: ${stderr}`);
  const [wall = 0, user = 0, system = 0, kilobytes = 0] = (stderr.trim().split('\n').at(-1) ?? '')
    .split(' ')
    .map(Number);
  return { wallSeconds: wall, cpuSeconds: user + system, peakBytes: kilobytes * 1024 };
}

/** One after the other and again, so that whatever else the machine does hits all alike. */
async function runRounds(contenders: readonly Contender[], scratch: Scratch): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { name, line } of contenders) {
      const folder = scratch.join('run');
      samples.get(name)?.push(await measure(`mkdir ${folder} && ${line(folder)}`));
      await unmountBelow(folder);
      rmSync(folder, { recursive: true, force: true });
      console.error(`round ${round + 1} of ${ROUNDS}: ${name} ${samples.get(name)?.at(-1)?.wallSeconds} s`);
    }
  }
  return samples;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report(samples: ReadonlyMap<string, readonly Sample[]>, layer: BuiltLayer, entries: number): void {
  const medians = [...samples].map(([name, each]) => ({
    name,
    wall: median(each.map(({ wallSeconds }) => wallSeconds)),
    cpu: median(each.map(({ cpuSeconds }) => cpuSeconds)),
    peak: median(each.map(({ peakBytes }) => peakBytes)),
  }));
  const [ours, ...peers] = medians;
  const rows = medians.map(({ name, wall, cpu, peak }) => [
    name,
    `${wall.toFixed(2)} s`,
    `${cpu.toFixed(2)} s`,
    `${Math.round(peak / 1e6)} MB`,
    ours === undefined ? '' : (ours.wall / wall).toFixed(2),
  ]);
  const [processor] = cpus();
  const sha = readFileSync('/proc/cpuinfo', 'utf8').includes('sha_ni') ? 'with' : 'without';
  console.log(
    `\nOne gzip layer, ${(layer.tarSize / 1e9).toFixed(2)} GB in ${entries} entries, ${Math.round(layer.size / 1e6)} MB compressed;`,
  );
  console.log(
    `${cpus().length} cores (${processor?.model}) ${sha} SHA instructions; median of ${ROUNDS} interleaved rounds in ${tmpdir()}.\n`,
  );
  console.log(formatTable(['', 'wall', 'CPU', 'peak RSS', 'Sealift / it'], rows));
  for (const peer of peers) {
    const ratio = (ours?.wall ?? Number.NaN) / peer.wall;
    console.log(
      `\ntarget: at most ${TARGET_RATIO} of ${peer.name}; ${ratio <= TARGET_RATIO ? 'met' : 'missed'} with ${ratio.toFixed(2)}`,
    );
  }
}

async function bench(): Promise<void> {
  using scratch = new Scratch('bench');
  try {
    await using registry = await startDockerRegistry();
    let entries = 0;
    async function* counted(): AsyncGenerator<TarMember> {
      for await (const member of benchMembers()) {
        entries += 1;
        yield member;
      }
    }
    const layer = await buildLayer(toArchive(counted()), 'gzip', scratch.path);
    const image = buildImage({ format: 'oci', layers: [layer] });
    await pushImage(registry.url, 'bench', 'latest', image);
    const reference = `${registry.host}/bench@${image.top.digest}`;
    const contenders: readonly Contender[] = [
      {
        name: 'sealift pull',
        line: (folder) =>
          `${SEALIFT} pull ${reference} --tls-verify=false --store ${folder}/store --bundle ${folder}/bundle --json >/dev/null`,
      },
      {
        name: 'skopeo copy + umoci raw unpack',
        line: (folder) =>
          `skopeo --insecure-policy copy -q --src-tls-verify=false docker://${reference} oci:${folder}/oci:bench && umoci raw unpack --image ${folder}/oci:bench ${folder}/rootfs`,
      },
    ];
    report(await runRounds(contenders, scratch), layer, entries);
  } finally {
    await unmountBelow(scratch.path);
  }
}

/** In memory where it fits, as in a guest without a volume: a disk's own moods are larger than what is compared. */
function chooseFolder(): string {
  const { bavail, bsize } = statfsSync('/dev/shm');
  return process.env['BENCH_DIR'] ?? (bavail * bsize > NEEDED_BYTES ? '/dev/shm' : tmpdir());
}

const missing = ['docker-registry', 'skopeo', 'umoci', 'time'].filter((command) => !hasCommand(command));
if (!IS_ROOT || missing.length > 0) {
  console.error(`the bench needs root${missing.length > 0 ? ` and ${missing.join(', ')}` : ''}`);
  process.exit(1);
}
process.env['TMPDIR'] = chooseFolder();
await bench();
