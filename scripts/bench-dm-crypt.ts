import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasCommand, IS_ROOT } from '../test/support/machine/commands.ts';
import { startPodVm } from '../test/support/podvm/start-pod-vm.ts';
import type { PodVm } from '../test/support/podvm/types.ts';
import { POD_VM_NEEDS } from '../test/support/podvm/use-pod-vm.ts';
import { collectRounds, formatDmCryptReport, type SizeResult } from './bench/dm-crypt-report.ts';
import { WARM_UP_NAMES } from './bench/dm-crypt-variants.ts';
import { createInterrupt } from './bench/interrupt.ts';
import { describeMachine } from './bench/machine.ts';
import { type Impossible, measureVariant, namesOf, type VariantFigures } from './bench/measure-variant.ts';
import { watchStrangers } from './bench/watch-strangers.ts';
import { writeSection } from './bench/write-section.ts';

const GIB = 2 ** 30;
const SIZES = [10 * GIB, 250 * GIB] as const;
const DOCS = fileURLToPath(new URL('../docs', import.meta.url));

/** This run warms the caches on a small disk and is not counted. */
async function warmUp(vm: PodVm): Promise<void> {
  for (const name of WARM_UP_NAMES) await measureVariant(vm, name, GIB);
}

/** Each round runs every variant once. */
async function measureSize(diskBytes: number, rounds: number, signal: AbortSignal): Promise<SizeResult> {
  await using vm = await startPodVm({ name: `bench-dm-crypt-${diskBytes / GIB}` });
  console.error(`${diskBytes / GIB} GiB: pod VM up in ${vm.bootSeconds.toFixed(1)} s`);
  await warmUp(vm);
  const strangersShare = watchStrangers();
  const results = new Map<string, (VariantFigures | Impossible)[]>(namesOf(diskBytes).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, seen] of results) {
      signal.throwIfAborted();
      const measured = await measureVariant(vm, name, diskBytes);
      seen.push(measured);
      console.error(
        `    ${name.padEnd(34)}${'cannot' in measured ? `cannot: ${measured.cannot}` : formatFigures(measured)}`,
      );
    }
  }
  const variants = [...results].map(([name, seen]) => collectRounds(name, seen));
  return { diskBytes, strangersShare: strangersShare(), variants };
}

function formatFigures({ format, open, mkfs, mount, writeSeconds, readSeconds }: VariantFigures): string {
  const ready = format + open + mkfs + mount;
  return `ready ${ready.toFixed(2)} s, write ${writeSeconds.toFixed(1)} s, read ${readSeconds.toFixed(1)} s`;
}

function findObstacle(): string | undefined {
  if (!IS_ROOT) return 'the bench boots a VM from packages that it unpacks: run it as root';
  const lacking = POD_VM_NEEDS.filter((need) => need !== 'x86-64' && !hasCommand(need));
  if (process.arch !== 'x64') lacking.push('x86-64');
  return lacking.length === 0 ? undefined : `the bench needs ${lacking.join(', ')}`;
}

const obstacle = findObstacle();
if (obstacle !== undefined) {
  console.error(obstacle);
  process.exit(1);
}
const rounds = Number(process.env['BENCH_ROUNDS'] || 1);
const interrupt = createInterrupt();
try {
  const sizes: SizeResult[] = [];
  for (const diskBytes of SIZES) sizes.push(await measureSize(diskBytes, rounds, interrupt.signal));
  const report = formatDmCryptReport(sizes, describeMachine(), rounds);
  console.log(report);
  writeSection(join(process.env['BENCH_OUTPUT'] || DOCS, 'performance.md'), 'bench-dm-crypt', report);
} catch (error) {
  if (interrupt.exitCode() === undefined) console.error(error);
  process.exitCode = interrupt.exitCode() ?? 1;
}
