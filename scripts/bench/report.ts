import { formatTable } from '../format-table.ts';
import { SEALIFT_NAMES } from './contender-sealift.ts';
import type { Machine } from './machine.ts';
import type { CaseResult, Cell } from './rounds.ts';
import { type Summary, summarize } from './statistics.ts';
import { compareWithTargets, PEAK_TARGET_BYTES } from './targets.ts';

export interface BenchReport {
  readonly results: readonly CaseResult[];
  readonly machine: Machine;
  readonly packages: readonly string[];
  readonly rounds: number;
  readonly scale: number;
}

/** Puts ratios first: times hold for one machine, ratios are close to what another machine would show. */
export function formatReport({ results, machine, packages, rounds, scale }: BenchReport): string {
  const scaled = scale === 1 ? '' : ` **Images scaled by ${scale}**: do not quote these figures.`;
  const facts = `Measured on ${machine.cores} cores (${machine.processor}) **${machine.hasShaInstructions ? 'with' : 'without'}** SHA instructions, ${gigabytes(machine.memoryBytes)} of memory, Linux ${machine.kernel}, Node ${machine.node.slice(1)}; ${packages.join(', ')}. Medians of ${rounds} interleaved rounds.${scaled}`;
  const scenarios = Map.groupBy(results, ({ scenario }) => scenario.title);
  return [
    '### Ratios',
    'Wall time of Sealift (EROFS without tree) divided by that of the other program: 0.25 means four times as fast.',
    ...[...scenarios].map(([title, cases]) => `**${title}**\n\n${formatRatios(cases)}`),
    '### Targets',
    formatTargets(results, machine),
    '### Figures',
    facts,
    ...[...scenarios].flatMap(([title, cases]) => [`#### ${title}`, ...cases.map(formatCase)]),
  ].join('\n\n');
}

/** The variant whose ratios are reported: EROFS if it could be measured. */
export function findOurs({ cells }: CaseResult): Cell | undefined {
  const measured = cells.filter(({ kind, samples }) => kind === 'ours' && samples.length > 0);
  return measured.find(({ contender }) => contender === SEALIFT_NAMES.erofs) ?? measured.at(-1);
}

function formatRatios(cases: readonly CaseResult[]): string {
  const others = (cases[0]?.cells ?? []).filter(({ kind }) => kind !== 'ours').map(({ contender }) => contender);
  const rows = cases.map((result) => {
    const ours = findOurs(result);
    const wall = ours && summarize(ours)?.wall.median;
    const suffix = ours === undefined || ours.contender === SEALIFT_NAMES.erofs ? '' : ` (${ours.contender})`;
    return [`${result.image.title}${suffix}`, ...others.map((name) => ratio(wall, find(result, name)))];
  });
  return formatTable(['Sealift over …', ...others], rows);
}

function formatTargets(results: readonly CaseResult[], machine: Machine): string {
  const first = results[0]?.scenario.title;
  const rows = results
    .filter(({ scenario }) => scenario.title === first)
    .flatMap((result) => compareWithTargets(result, machine.hasShaInstructions))
    .map(({ what, target, measured }) => [
      what,
      `≤ ${target.toFixed(2)}`,
      measured.toFixed(2),
      measured <= target ? 'met' : '**missed**',
    ]);
  const ours = results.flatMap(({ cells }) => cells.filter(({ kind }) => kind === 'ours'));
  const peak = Math.max(0, ...ours.map((cell) => summarize(cell)?.peakBytes ?? 0));
  const verdict = peak <= PEAK_TARGET_BYTES ? 'met' : '**missed**';
  rows.push(['Peak RSS of Sealift, the largest of all', `≤ ${megabytes(PEAK_TARGET_BYTES)}`, megabytes(peak), verdict]);
  return formatTable(['', 'target', 'measured', ''], rows);
}

function formatCase(result: CaseResult): string {
  const { image, cells, setAside, isDisturbed } = result;
  const ours = findOurs(result);
  const wall = ours && summarize(ours)?.wall.median;
  const rows = cells.map((cell) => {
    const summary = summarize(cell);
    return summary === undefined
      ? [cell.contender, 'cannot', '', '', '', '', '', '']
      : figures(cell, summary, { ours: wall, layerBytes: image.tarBytes });
  });
  const remarks = [
    ...cells.filter(({ cannot }) => cannot !== undefined).map((cell) => `${cell.contender}: ${cell.cannot}.`),
    ...(setAside > 0 ? [`Rounds repeated because other processes used the CPU: ${setAside}.`] : []),
    ...(isDisturbed
      ? ['**Disturbed**: other processes used the CPU in rounds that count, because there was no quiet round.']
      : []),
  ];
  const layers = counted(image.image.layers.length, 'layer');
  const title = `**${image.title}**: ${layers}, ${counted(image.content.files, 'file')}, ${megabytes(image.tarBytes)}, ${megabytes(image.blobBytes)} compressed.`;
  const head = [
    '',
    'wall',
    'min–max',
    'CPU',
    'CPU a byte',
    'peak RSS',
    'on disk',
    `${ours?.contender ?? 'Sealift'} / it`,
  ];
  return [[title, ...remarks].join(' '), formatTable(head, rows)].join('\n\n');
}

interface Comparison {
  /** Our median wall time, in seconds. */
  readonly ours: number | undefined;
  /** Bytes of all layers before compression. */
  readonly layerBytes: number;
}

function figures(
  cell: Cell,
  { wall, cpuSeconds, peakBytes, diskBytes }: Summary,
  { ours, layerBytes }: Comparison,
): string[] {
  return [
    cell.contender,
    `${wall.median.toFixed(2)} s`,
    `${wall.min.toFixed(2)}–${wall.max.toFixed(2)}`,
    `${cpuSeconds.toFixed(2)} s`,
    `${((1e9 * cpuSeconds) / layerBytes).toFixed(1)} ns`,
    megabytes(peakBytes),
    cell.kind === 'floor' ? '–' : megabytes(diskBytes),
    ratio(ours, cell),
  ];
}

function find({ cells }: CaseResult, name: string): Cell | undefined {
  return cells.find(({ contender }) => contender === name);
}

function ratio(ours: number | undefined, cell: Cell | undefined): string {
  const theirs = cell && summarize(cell)?.wall.median;
  if (theirs === undefined) return 'cannot';
  return ours === undefined ? '–' : (ours / theirs).toFixed(2);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

function gigabytes(bytes: number): string {
  return `${Math.round(bytes / 1e9)} GB`;
}
