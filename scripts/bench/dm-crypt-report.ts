import { formatTable } from '../format-table.ts';
import { HUB_NAME } from './dm-crypt-variants.ts';
import type { Machine } from './machine.ts';
import { FILE_MIB, type Impossible, type VariantFigures } from './measure-variant.ts';
import { median } from './statistics.ts';
import { describeStrangers } from './watch-strangers.ts';

const MIB = 2 ** 20;

export interface VariantResult {
  readonly name: string;
  /** The figures of the rounds that worked. */
  readonly figures: readonly VariantFigures[];
  readonly cannot: string | undefined;
}

export interface SizeResult {
  readonly diskBytes: number;
  /** The share of the machine that other processes used. */
  readonly strangersShare: number;
  readonly variants: readonly VariantResult[];
}

/** Collects the rounds of one variant. */
export function collectRounds(name: string, rounds: readonly (VariantFigures | Impossible)[]): VariantResult {
  const figures = rounds.filter((each): each is VariantFigures => !('cannot' in each));
  const cannot = rounds.find((each) => 'cannot' in each)?.cannot;
  return { name, figures, cannot: figures.length === 0 ? cannot : undefined };
}

export function formatDmCryptReport(sizes: readonly SizeResult[], machine: Machine, rounds: number): string {
  const facts =
    `In a pod VM under QEMU’s software emulation on ${machine.cores} cores (${machine.processor}, ` +
    `${machine.hasShaInstructions ? 'with' : 'without'} SHA instructions), one boot for each size, a new sparse disk for ` +
    `each row, ${rounds === 1 ? 'one round' : `medians of ${rounds} rounds`}. Times are in seconds; in brackets, the ratio to ` +
    `${HUB_NAME} in the same boot. Host: MiB allocated of the disk when the store is mounted. Write and read: one file of ` +
    `${FILE_MIB} MiB, caches dropped.`;
  const tables = sizes.map(
    ({ diskBytes, strangersShare, variants }) =>
      `**${diskBytes / 2 ** 30} GiB**. ${describeStrangers(strangersShare)}\n\n${formatSize(variants)}`,
  );
  return [facts, ...tables].join('\n\n');
}

function formatSize(variants: readonly VariantResult[]): string {
  const hub = summarize(variants.find(({ name }) => name === HUB_NAME));
  const rows = variants.map((variant) => {
    const own = summarize(variant);
    if (own === undefined) return [variant.name, `cannot: ${variant.cannot}`, '', '', '', '', '', '', ''];
    const { format, open, mkfs, mount, ready, hostMib, writeRate, readRate } = own;
    return [
      variant.name,
      ...[format, open, mkfs, mount].map((seconds) => seconds.toFixed(2)),
      withRatio(ready.toFixed(2), ready, hub?.ready),
      withRatio(hostMib.toFixed(0), hostMib, hub?.hostMib),
      withRatio(`${writeRate.toFixed(0)} MiB/s`, writeRate, hub?.writeRate),
      withRatio(`${readRate.toFixed(0)} MiB/s`, readRate, hub?.readRate),
    ];
  });
  return formatTable(['', 'format', 'open', 'mkfs', 'mount', 'ready', 'host', 'write', 'read'], rows);
}

function summarize(result: VariantResult | undefined) {
  if (result === undefined || result.figures.length === 0) return undefined;
  const of = (pick: (figures: VariantFigures) => number): number => median(result.figures.map(pick));
  return {
    format: of(({ format }) => format),
    open: of(({ open }) => open),
    mkfs: of(({ mkfs }) => mkfs),
    mount: of(({ mount }) => mount),
    ready: of(({ format, open, mkfs, mount }) => format + open + mkfs + mount),
    hostMib: of(({ allocatedBytes }) => allocatedBytes / MIB),
    writeRate: of(({ writeSeconds }) => FILE_MIB / writeSeconds),
    readRate: of(({ readSeconds }) => FILE_MIB / readSeconds),
  };
}

function withRatio(text: string, own: number, other: number | undefined): string {
  return other === undefined || other === 0 ? text : `${text} (${(own / other).toFixed(2)})`;
}
