import { formatTable } from '../format-table.ts';
import { formatCommandsReport } from './commands-report.ts';
import type { Machine } from './machine.ts';
import { BIG_BYTES, type CachedPullFigures, LAYERS, type PullTimes } from './measure-cached-pulls.ts';
import { type DaemonFigures, type IdleFigures, PULLS, STARTS, type StartFigures } from './measure-daemon.ts';
import { describeStrangers } from './watch-strangers.ts';

/** confidential-data-hub, written in Rust, which the kata agent starts otherwise; measured once on a similar machine. */
const HUB = { socketMs: 17, rssBytes: 11e6, diskBytes: 33e6 } as const;
const TARGETS = {
  socketMs: 60,
  socketOverNode: 2,
  rssBytes: 60e6,
  idleRssBytes: 45e6,
  idleAnonymousBytes: 25e6,
} as const;
const IDLE_TARGETS = { firstPullMs: 250, nextPullMs: 30 } as const;

const HEAD = ['', 'exec to socket', 'min–max', 'RSS at start', 'on disk'];

export function formatDaemonReport(figures: DaemonFigures, machine: Machine): string {
  const { node, daemon, withHealth, idle, unpackedBytes, archiveBytes, baseline } = figures;
  const rows = [
    ['sealiftd', ...starts(daemon), `${megabytes(unpackedBytes)} (archive ${megabytes(archiveBytes)})`],
    ['sealiftd with api.health', ...starts(withHealth), ''],
    ...(baseline === undefined ? [] : [['sealiftd, baseline', ...starts(baseline.daemon), '']]),
    ['Node alone', ...starts(node), megabytes(figures.nodeBytes)],
    [
      'targets',
      `≤ ${TARGETS.socketMs} ms, ≤ ${TARGETS.socketOverNode} × Node`,
      '',
      `≤ ${megabytes(TARGETS.rssBytes)}`,
      '',
    ],
    ['confidential-data-hub (Rust)', `${HUB.socketMs} ms`, '', megabytes(HUB.rssBytes), megabytes(HUB.diskBytes)],
  ];
  const verdicts = [
    verdict('exec to socket', daemon.socketMs <= Math.min(TARGETS.socketMs, TARGETS.socketOverNode * node.socketMs)),
    verdict('RSS at start', daemon.rssBytes <= TARGETS.rssBytes),
  ];
  const facts =
    `Measured on ${machine.cores} cores (${machine.processor}), Linux ${machine.kernel}, Node ${machine.node.slice(1)}; ` +
    `medians of ${STARTS} starts with the program in the page cache. ${verdicts.join(', ')}. ${describeStrangers(figures.strangersShare)}`;
  return [
    facts,
    formatTable(HEAD, rows),
    explain(figures),
    ...formatCommandsReport(figures.commands),
    ...idleSection(idle, baseline?.idle),
    ...cachedSection(figures.cachedPulls, baseline?.cachedPulls),
  ].join('\n\n');
}

const IDLE_HEAD = [
  '',
  'without threads',
  'anonymous',
  'after a minute',
  'anonymous',
  'cached pull then',
  'and the next',
];

function idleSection(idle: IdleFigures, baseline: IdleFigures | undefined): string[] {
  const { idleRssBytes, idleAnonymousBytes } = TARGETS;
  const { firstPullMs, nextPullMs } = IDLE_TARGETS;
  const rows = [
    ['sealiftd', ...idleCells(idle)],
    ...(baseline === undefined ? [] : [['sealiftd, baseline', ...idleCells(baseline)]]),
    [
      'targets',
      '',
      '',
      `≤ ${megabytes(idleRssBytes)}`,
      `≤ ${megabytes(idleAnonymousBytes)}`,
      `≤ ${firstPullMs} ms`,
      `≤ ${nextPullMs} ms`,
    ],
  ];
  const verdicts = [
    verdict('RSS', idle.quiet.rssBytes <= idleRssBytes),
    verdict('anonymous memory', idle.quiet.anonymousBytes <= idleAnonymousBytes),
    verdict('cached pull', idle.firstPullMs <= firstPullMs),
    verdict('the next', idle.nextPullMs <= nextPullMs),
  ];
  const facts =
    `${PULLS} images of two layers were pulled one after the other and stayed mounted; VmHWM: ${megabytes(idle.peakBytes)}. ` +
    `RSS and its anonymous part when all threads had ended, and a minute after the last work, when code was given back: ` +
    `the program lies on a disk, and no other process used its binary. ${verdicts.join(', ')}.`;
  return [facts, formatTable(IDLE_HEAD, rows)];
}

function idleCells({ threadless, quiet, firstPullMs, nextPullMs }: IdleFigures): string[] {
  return [
    ...[threadless, quiet].flatMap(({ rssBytes, anonymousBytes }) => [megabytes(rssBytes), megabytes(anonymousBytes)]),
    ...[firstPullMs, nextPullMs].map((ms) => `${Math.round(ms)} ms`),
  ];
}

/** confidential-data-hub has one lock for all pulls, so a pull beside a big one takes as long as the big one. */
const HUB_CACHED = { aloneMs: 80, besideMs: 'waits for it' } as const;
const CACHED_TARGETS = { aloneMs: 30, besideMs: 60 } as const;
const CACHED_HEAD = ['', 'alone', '90 % within', 'beside a big pull', '90 % within'];

function cachedSection(
  { aloneMs, besideMs, strangersShare }: CachedPullFigures,
  baseline: CachedPullFigures | undefined,
): string[] {
  const rows = [
    ['sealiftd', ...times(aloneMs), ...times(besideMs)],
    ...(baseline === undefined
      ? []
      : [['sealiftd, baseline', ...times(baseline.aloneMs), ...times(baseline.besideMs)]]),
    ['targets', `≤ ${CACHED_TARGETS.aloneMs} ms`, '', `≤ ${CACHED_TARGETS.besideMs} ms`, ''],
    ['confidential-data-hub (Rust)', `${HUB_CACHED.aloneMs} ms`, '', HUB_CACHED.besideMs, ''],
  ];
  const verdicts = [
    verdict('alone', aloneMs.medianMs <= CACHED_TARGETS.aloneMs),
    verdict('beside', besideMs.medianMs <= CACHED_TARGETS.besideMs),
  ];
  const facts =
    `An image of ${LAYERS} layers that is in the store already, pulled over the socket into a new container; the policy ` +
    `judges it each time, and all containers stay mounted. Medians of ${aloneMs.count} pulls alone and ` +
    `${besideMs.count} while a layer of ${BIG_BYTES / 2 ** 30} GiB is pulled. ${verdicts.join(', ')}. ${describeStrangers(strangersShare)}`;
  return [facts, formatTable(CACHED_HEAD, rows)];
}

function times({ medianMs, p90Ms }: PullTimes): string[] {
  return [`${Math.round(medianMs)} ms`, `${Math.round(p90Ms)} ms`];
}

/** Says which part of the figures is Node's, which is Sealift's, and which could shrink. */
function explain({ node, daemon, withHealth, unpackedBytes, nodeBytes }: DaemonFigures): string {
  const ownMs = Math.round(daemon.socketMs - node.socketMs);
  const ownBytes = daemon.rssBytes - node.rssBytes;
  const healthBytes = withHealth.rssBytes - daemon.rssBytes;
  return (
    `Of ${Math.round(daemon.socketMs)} ms to the socket, Node takes ${Math.round(node.socketMs)} and Sealift’s code ${ownMs}: ` +
    `its bytecode is read, and the modules of the sockets run; schemas and configuration come after the socket. Of ${megabytes(daemon.rssBytes)} ` +
    `at start, ${megabytes(node.rssBytes)} are Node’s own; ${megabytes(daemon.fileBytes)} are pages of its binary and ` +
    `libraries, which the kernel can drop and read again; Sealift’s code and data are ${megabytes(ownBytes)}. ` +
    `Health and metrics take ${megabytes(Math.max(0, healthBytes))} ` +
    `when they are configured, and nothing otherwise. On disk, ${megabytes(unpackedBytes - nodeBytes)} of ` +
    `${megabytes(unpackedBytes)} are not Node.`
  );
}

function starts({ socketMs, minMs, maxMs, rssBytes }: StartFigures): string[] {
  return [`${Math.round(socketMs)} ms`, `${Math.round(minMs)}–${Math.round(maxMs)}`, megabytes(rssBytes)];
}

function verdict(what: string, isMet: boolean): string {
  return `${what}: ${isMet ? 'met' : '**missed**'}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
