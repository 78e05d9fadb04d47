import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IS_ROOT } from '../test/support/machine/commands.ts';
import { unmountBelow } from '../test/support/machine/mounts.ts';
import { Scratch } from '../test/support/machine/scratch.ts';
import { startSlowProxy } from '../test/support/proxies/slow-proxy.ts';
import { startDockerRegistry } from '../test/support/registries/docker-registry.ts';
import { drawChart } from './bench/chart.ts';
import { listContenders } from './bench/contenders.ts';
import { formatDaemonReport } from './bench/daemon-report.ts';
import { type BenchImage, type ImageKey, publishImage } from './bench/images.ts';
import { createInterrupt } from './bench/interrupt.ts';
import { describeMachine } from './bench/machine.ts';
import { measureDaemon } from './bench/measure-daemon.ts';
import { measureSignatures } from './bench/measure-signatures.ts';
import { installPackages, packageVersions } from './bench/packages.ts';
import { buildPrograms } from './bench/programs.ts';
import { formatReport } from './bench/report.ts';
import { type CaseResult, runRounds } from './bench/rounds.ts';
import { type BenchSettings, findObstacle, readSettings, type Scenario } from './bench/settings.ts';
import { formatSignaturesReport } from './bench/signatures-report.ts';
import { writeSection } from './bench/write-section.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCS = join(ROOT, 'docs');
/** podman's locks, which it makes once for the machine, independent of where its storage lies. */
const PODMAN_LOCK = '/dev/shm/libpod_lock';

async function bench(settings: BenchSettings, signal: AbortSignal): Promise<void> {
  using scratch = new Scratch('bench');
  await using registry = await startDockerRegistry();
  const programs = await buildPrograms(scratch.join('programs'));
  if (settings.parts.includes('daemon')) await benchDaemon();
  if (settings.parts.includes('signatures')) await benchSignatures();
  if (!settings.parts.includes('pulls')) return;
  const contenders = listContenders(programs, settings);
  const images = await publishImages(settings, registry.url, scratch, signal);
  const results: CaseResult[] = [];
  for (const scenario of settings.scenarios) {
    for (const image of images.filter(({ key }) => scenario.images.includes(key))) {
      if (!hasRoom(scenario, image)) continue;
      console.error(`${scenario.title}: ${image.title}`);
      await using proxy = scenario.wire && (await startSlowProxy(registry.host, scenario.wire));
      results.push(await runScenario(scenario, image, proxy?.host ?? registry.host));
    }
  }
  await publish(settings, results);

  async function benchDaemon(): Promise<void> {
    console.error('the daemon: starts, idle memory, room on disk, cached pulls');
    const folder = scratch.join('daemon');
    const figures = await measureDaemon({
      programs,
      baseline: settings.baseline,
      registry,
      folder,
      root: ROOT,
      signal,
    });
    publishSection(settings, 'bench-daemon', formatDaemonReport(figures, describeMachine()));
  }

  async function benchSignatures(): Promise<void> {
    console.error('signatures: pulls, memory, hostile bundles');
    const folder = scratch.join('signatures');
    const figures = await measureSignatures({ programs, registry, folder, signal }, settings.rounds);
    publishSection(settings, 'bench-signatures', formatSignaturesReport(figures, describeMachine()));
  }

  async function runScenario(scenario: Scenario, image: BenchImage, host: string): Promise<CaseResult> {
    using runs = new FolderScratch(scenario.folder);
    using states = new FolderScratch('/dev/shm');
    try {
      return await runRounds({
        scenario,
        image,
        registry: host,
        rounds: settings.rounds,
        contenders,
        folder: runs.path,
        stateFolder: states.path,
        signal,
      });
    } finally {
      await unmountBelow(runs.path);
      await unmountBelow(states.path);
    }
  }
}

/** A scratch directory below a given folder instead of the folder for temporary files. */
class FolderScratch extends Scratch {
  constructor(folder: string) {
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = folder;
    super('bench-runs');
    process.env['TMPDIR'] = before;
  }
}

async function publishImages(
  settings: BenchSettings,
  registryUrl: string,
  scratch: Scratch,
  signal: AbortSignal,
): Promise<BenchImage[]> {
  const keys = new Set<ImageKey>(settings.scenarios.flatMap(({ images }) => images));
  const images: BenchImage[] = [];
  for (const key of keys) {
    console.error(`making image: ${key}`);
    images.push(await publishImage(key, settings.scale, registryUrl, scratch.path, signal));
  }
  return images;
}

/** The peer that needs most room keeps the blobs, a copy of them and the unpacked files. */
function hasRoom({ folder }: Scenario, { tarBytes, blobBytes, title }: BenchImage): boolean {
  const { bavail, bsize } = statfsSync(folder);
  const wanted = 1.2 * tarBytes + 2 * blobBytes;
  if (bavail * bsize >= wanted) return true;
  console.error(`!!! ${title} is left out: ${folder} has ${bavail * bsize} bytes, it takes ${wanted}`);
  return false;
}

async function publish(settings: BenchSettings, results: readonly CaseResult[]): Promise<void> {
  const report = formatReport({
    results,
    machine: describeMachine(),
    packages: await packageVersions(),
    rounds: settings.rounds,
    scale: settings.scale,
  });
  const { outputFolder } = settings;
  publishSection(settings, 'bench', report);
  if (outputFolder === undefined) return;
  const [first] = settings.scenarios;
  const charted = results.filter(({ scenario }) => scenario === first);
  writeFileSync(join(outputFolder, 'performance.svg'), drawChart(charted));
}

function publishSection({ outputFolder }: BenchSettings, name: string, report: string): void {
  console.log(report);
  if (outputFolder === undefined) {
    console.error('part of a bench: printed only (BENCH_OUTPUT=folder with a performance.md writes it)');
  } else {
    writeSection(join(outputFolder, 'performance.md'), name, report);
  }
}

if (IS_ROOT) await installPackages();
const obstacle = findObstacle();
if (obstacle !== undefined) {
  console.error(obstacle);
  process.exit(1);
}
const interrupt = createInterrupt();
const hadPodmanLock = existsSync(PODMAN_LOCK);
try {
  const settings = readSettings(process.env, DOCS);
  process.env['TMPDIR'] = settings.imagesFolder;
  await bench(settings, interrupt.signal);
} catch (error) {
  if (interrupt.exitCode() === undefined) console.error(error);
  process.exitCode = interrupt.exitCode() ?? 1;
} finally {
  if (!hadPodmanLock) rmSync(PODMAN_LOCK, { force: true });
}
