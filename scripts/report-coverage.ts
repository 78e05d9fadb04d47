import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SUB_ROOMS } from '../test/architecture/import-rules.ts';
import { formatTable } from './format-table.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Rooms without side effects: tests of this process see every line of them. */
const STRICT_ROOMS = ['errors', 'oci', 'signature/policy', 'unpack/tar', 'unpack/tree'];
const STRICT_PERCENT = 95;

/** https://github.com/istanbuljs/istanbuljs: the summary by file, in the format of the reporter `json-summary`. */
type Summary = Readonly<Record<string, { readonly lines: { readonly total: number; readonly covered: number } }>>;

interface Share {
  readonly room: string;
  readonly total: number;
  readonly covered: number;
}

/** The room of a file; a room inside a room is counted by itself. */
function roomOf(path: string): string {
  const [, first = '', second = ''] = relative(ROOT, path).split('/');
  const nested = `${first}/${second}`;
  return SUB_ROOMS.includes(`src/${nested}`) ? nested : first;
}

/** The share of covered lines by room, in the order of their names. */
function sharesByRoom({ total: _, ...files }: Summary): Share[] {
  const rooms = Map.groupBy(Object.entries(files), ([path]) => roomOf(path));
  const sum = (numbers: readonly number[]) => numbers.reduce((one, other) => one + other, 0);
  return [...rooms]
    .map(([room, entries]) => ({
      room,
      total: sum(entries.map(([, { lines }]) => lines.total)),
      covered: sum(entries.map(([, { lines }]) => lines.covered)),
    }))
    .sort((one, other) => one.room.localeCompare(other.room));
}

function percentOf({ total, covered }: Share): number {
  return total === 0 ? 100 : (100 * covered) / total;
}

const summary = JSON.parse(readFileSync(new URL('../coverage/coverage-summary.json', import.meta.url)).toString());
const shares = sharesByRoom(summary);
const rows = shares.map((share) => [
  share.room,
  `${share.covered}`,
  `${share.total}`,
  `${percentOf(share).toFixed(1)} %`,
  STRICT_ROOMS.includes(share.room) ? `≥ ${STRICT_PERCENT} %` : '',
]);
console.log(formatTable(['room', 'covered lines', 'lines', 'share', 'target'], rows));
console.log('Worker threads, started programs and pod VMs are not counted.');
const missed = STRICT_ROOMS.filter((name) => {
  const share = shares.find(({ room }) => room === name);
  return share === undefined || percentOf(share) < STRICT_PERCENT;
});
if (missed.length > 0) {
  console.error(`coverage: expected at least ${STRICT_PERCENT} % of lines in ${missed.join(', ')}`);
  process.exitCode = 1;
}
