import { formatTable } from '../format-table.ts';
import { type AllCommandFigures, type CommandTimes, RUNS } from './measure-commands.ts';

const VERSION_TARGET_MS = 60;
/** The greatest share of the baseline's time. */
const SMALL_PULL_TARGET = 0.5;

const HEAD = ['', 'exec to end', 'min–max', 'of the baseline'];

/** Times of commands that mostly consist of their start, beside those of another build if there is one. */
export function formatCommandsReport({ node, sealift, baseline }: AllCommandFigures): string[] {
  const { version, smallPull } = sealift;
  const rows = [
    ['sealift --version', ...times(version), share(version, baseline?.version)],
    ['sealift pull, one layer of 1 MB', ...times(smallPull), share(smallPull, baseline?.smallPull)],
    ['Node alone', ...times(node), ''],
    ['targets: --version', `≤ ${VERSION_TARGET_MS} ms`, '', ''],
    ['targets: pull', '', '', `≤ ${SMALL_PULL_TARGET.toFixed(2)} ×`],
  ];
  const isMet = version.medianMs <= VERSION_TARGET_MS;
  const facts = `Commands that mostly consist of their start, medians of ${RUNS} runs; the pull goes into an empty store. --version: ${isMet ? 'met' : '**missed**'}.`;
  return [facts, formatTable(HEAD, rows)];
}

function times({ medianMs, minMs, maxMs }: CommandTimes): string[] {
  return [`${Math.round(medianMs)} ms`, `${Math.round(minMs)}–${Math.round(maxMs)}`];
}

function share(times: CommandTimes, baseline: CommandTimes | undefined): string {
  return baseline === undefined ? '' : `${(times.medianMs / baseline.medianMs).toFixed(2)} ×`;
}
