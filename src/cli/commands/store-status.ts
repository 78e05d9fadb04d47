import type { Command } from 'commander';
import { KINDS, redact } from '../../errors/index.ts';
import type { VolumeStatus } from '../../volume/index.ts';
import { addCommonFlags, type CommonFlags, type CommonOptions, parseCommonOptions } from '../flags/common-flags.ts';
import { formatBytes } from '../format-bytes.ts';
import type { CommandContext, CommandIo } from '../types.ts';

/** The daemon's image store: where it lies and why, and what is in it. */
export interface StoreStatusResult extends Omit<VolumeStatus, 'backing'> {
  /** The backing of the store; `--json` has always called it so. */
  readonly place: VolumeStatus['backing'];
  readonly images: number;
  readonly layers: number;
  /** The number of containers that run from the store. */
  readonly mounts: number;
  /** The encrypted `emptyDir` volumes. */
  readonly volumes: readonly VolumeStatus[];
}

export interface StoreStatusCommands {
  storeStatus(options: CommonOptions, io: CommandIo): Promise<StoreStatusResult>;
}

const EXAMPLES = `
The store is that of sealiftd, whose configuration is given with -c. The exit code says whether the store can be used.

Examples:
  sealift store status
  sealift store status -c /run/confidential-containers/initdata/cdh.toml --json
`;

export function addStoreStatus(program: Command, commands: StoreStatusCommands, context: CommandContext): void {
  const store = program.command('store').description('look at the image store of the daemon');
  addCommonFlags(store.command('status').description('where the image store lies and why, and what is in it'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags: CommonFlags) => {
      const result = await commands.storeStatus(parseCommonOptions(flags, context), context.begin(flags));
      context.finish({ result, output: () => formatStoreStatus(result), exitCode: exitCodeOf(result) }, flags);
    });
}

/** Without a usable store the exit code is that of the store's error. */
function exitCodeOf({ place, error }: StoreStatusResult): number {
  return place === undefined ? KINDS[error?.kind ?? 'unavailable'].exitCode : 0;
}

const LABEL_WIDTH = 11;

/** Prints one fact on a line; an unknown fact has no line. */
function formatStoreStatus(status: StoreStatusResult): string {
  const facts = [...backingFacts(status), ...deviceFacts(status), ...contentFacts(status), ...volumeFacts(status)];
  // The texts of errors and paths may hold anything.
  return facts.map(([label, text]) => `${label.padEnd(LABEL_WIDTH)}${redact(text)}\n`).join('');
}

type Fact = readonly [label: string, text: string];

function backingFacts({ state, place, error }: StoreStatusResult): Fact[] {
  const where = place === undefined ? 'none: pulls are refused' : `${place.kind}, ${place.directory}`;
  return [
    ['state', describeState(state, place)],
    ['store', where],
    ...(place === undefined ? [] : [['reason', place.reason] as const]),
    ...(error === undefined
      ? []
      : ([
          ['error', `${error.message} [${error.code}]`],
          ['what to do', error.hint],
        ] as const)),
  ];
}

/** The state is that of the disk. Without a disk it says nothing about the store, which is in memory then. */
function describeState(state: VolumeStatus['state'], place: StoreStatusResult['place']): string {
  return state === 'absent' && place?.kind === 'memory' ? 'memory is used; there is no disk' : state;
}

function deviceFacts({ device, mapping, cipher, integrity }: StoreStatusResult): Fact[] {
  if (device === undefined) return [];
  const { deviceId, path, bytes, sectorBytes } = device;
  return [
    ['device', `${deviceId} ${path}, ${formatBytes(bytes)}, sectors of ${sectorBytes} bytes`],
    ...(mapping === undefined ? [] : [['mapping', `${mapping.name}, ${formatBytes(mapping.bytes)}`] as const]),
    ...(cipher === undefined ? [] : [['cipher', cipher] as const]),
    ...(integrity === undefined ? [] : [['integrity', integrity] as const]),
  ];
}

/** Each volume on a line; `--json` has the details. */
function volumeFacts({ volumes }: StoreStatusResult): Fact[] {
  return volumes.map(({ state, mountPoint, device, space, error }) => {
    const used = space === undefined ? '' : `, ${formatBytes(space.usedBytes)} of ${formatBytes(space.sizeBytes)} used`;
    const failure = error === undefined ? '' : `: ${error.message} [${error.code}]`;
    return ['emptyDir', `${mountPoint} on ${device?.deviceId ?? 'no device'}, ${state}${used}${failure}`];
  });
}

function contentFacts({ space, images, layers, mounts }: StoreStatusResult): Fact[] {
  const size =
    space === undefined
      ? []
      : [
          [
            'space',
            `${formatBytes(space.usedBytes)} of ${formatBytes(space.sizeBytes)} used, ${formatBytes(space.availableBytes)} free`,
          ] as const,
        ];
  return [...size, ['content', `images: ${images}, layers: ${layers}, mounted: ${mounts}`]];
}
