import { formatTable } from '../format-table.ts';
import type { Machine } from './machine.ts';
import { CALLS, type HostileFigures, type MemoryFigures, type UnneededFiles } from './measure-signature-load.ts';
import type { SignatureFigures, SignedPullTimes } from './measure-signatures.ts';
import { HOSTILE_BUNDLES } from './signing-methods.ts';
import { describeStrangers } from './watch-strangers.ts';

/** What a signature may add to the same pull without one. */
const TARGETS = { firstMs: 400, laterMs: 150, idleBytes: 20e6, besideMs: 50 } as const;

const HEAD = [
  '',
  'first pull',
  'over unsigned',
  'later pulls',
  'over unsigned',
  'cached',
  'over',
  'sealift pull',
  'over',
];

export function formatSignaturesReport(figures: SignatureFigures, machine: Machine): string {
  const { unsigned, signed, rounds, setAside, isDisturbed, strangersShare } = figures;
  const { firstMs, laterMs } = TARGETS;
  const rows = [
    ['no signature required', ...cells(unsigned)],
    ...signed.map(({ title, times, over }) => [title, ...cells(times, over)]),
    ['targets', '', `≤ ${firstMs}`, '', `≤ ${laterMs}`, '', `≤ ${laterMs}`, '', `≤ ${firstMs}`],
  ];
  const largest = (pick: (times: SignedPullTimes) => number) => Math.max(...signed.map(({ over }) => pick(over)));
  const verdicts = [
    verdict(
      'first pull',
      largest((over) => over.firstMs),
      firstMs,
    ),
    verdict(
      'later pulls',
      largest((over) => over.laterMs),
      laterMs,
    ),
    verdict(
      'cached pulls',
      largest((over) => over.cachedMs),
      laterMs,
    ),
    verdict(
      'sealift pull',
      largest((over) => over.commandMs),
      firstMs,
    ),
  ];
  const facts =
    `Measured on ${machine.cores} cores (${machine.processor}), Linux ${machine.kernel}, Node ${machine.node.slice(1)}. ` +
    `Milliseconds, medians over rounds (${rounds}); differences are medians of those within a round. ` +
    `Each kind of signature has a daemon of its own in each round. ${verdicts.join(', ')}. ` +
    `${describeRounds(setAside, isDisturbed)}${describeStrangers(strangersShare)}`;
  return [
    facts,
    formatTable(HEAD, rows),
    describeMemory(figures.memory),
    describeHostile(figures.hostile),
    describeUnneeded(figures.unneeded),
  ].join('\n\n');
}

function cells(times: SignedPullTimes, over?: SignedPullTimes): string[] {
  const pairs = [
    [times.firstMs, over?.firstMs],
    [times.laterMs, over?.laterMs],
    [times.cachedMs, over?.cachedMs],
    [times.commandMs, over?.commandMs],
  ] as const;
  return pairs.flatMap(([ms, more]) => [`${Math.round(ms)}`, more === undefined ? '' : signedNumber(more)]);
}

function signedNumber(value: number): string {
  const rounded = Math.round(value);
  return rounded < 0 ? `−${-rounded}` : `+${rounded}`;
}

function describeRounds(setAside: number, isDisturbed: boolean): string {
  if (isDisturbed) return '**Disturbed** rounds count, since there were no quiet ones. ';
  return setAside === 0 ? '' : `Rounds repeated because other processes used the CPU: ${setAside}. `;
}

function describeMemory({ before, after }: MemoryFigures): string {
  const rssBytes = after.rssBytes - before.rssBytes;
  const anonymousBytes = after.anonymousBytes - before.anonymousBytes;
  return (
    `A minute after images without signatures were pulled, the idle daemon had ${megabytes(before.rssBytes)} of RSS, ` +
    `${megabytes(before.anonymousBytes)} of them anonymous; a minute after images with each kind of signature, ` +
    `${megabytes(after.rssBytes)} and ${megabytes(after.anonymousBytes)} (at most ${megabytes(TARGETS.idleBytes)} more). ` +
    `${verdict('RSS', rssBytes, TARGETS.idleBytes)}, ${verdict('anonymous memory', anonymousBytes, TARGETS.idleBytes)}.`
  );
}

function describeHostile({ aloneMs, besideMs, attackMs }: HostileFigures): string {
  const medianMs = besideMs.medianMs - aloneMs.medianMs;
  const p90Ms = besideMs.p90Ms - aloneMs.p90Ms;
  return (
    `An image has ${HOSTILE_BUNDLES} bundles that pass every check but the last, with as much to verify as the limits allow; ` +
    `its pull is denied after ${Math.round(attackMs.medianMs)} ms. ` +
    `A cached pull of another image takes ${Math.round(aloneMs.medianMs)} ms (90 % within ${Math.round(aloneMs.p90Ms)}), ` +
    `and ${signedNumber(medianMs)} ms (90 % within ${signedNumber(p90Ms)}) while these are judged ` +
    `(at most ${TARGETS.besideMs} more); medians of ${CALLS} pulls. ${verdict('beside them', medianMs, TARGETS.besideMs)}.`
  );
}

function describeUnneeded({ files, bytes }: UnneededFiles): string {
  return (
    `Without such a requirement, nothing that verifies signatures is loaded: a copy of the program without the ${files} ` +
    `files (${megabytes(bytes)}) that verify signatures, read registries.d and ask the key broker pulls the image, and ` +
    `refuses signed ones.`
  );
}

function verdict(what: string, measured: number, target: number): string {
  return `${what}: ${measured <= target ? 'met' : '**missed**'}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e5) / 10} MB`;
}
