import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { GuestDisk, PodVm } from '../../test/support/podvm/types.ts';
import { listVariants, type Variant } from './dm-crypt-variants.ts';

/** Seconds of each step, and the bytes allocated afterwards. */
export interface VariantFigures {
  readonly format: number;
  readonly open: number;
  readonly mkfs: number;
  readonly mount: number;
  /** Allocated bytes of the host's disk before files are written. */
  readonly allocatedBytes: number;
  readonly writeSeconds: number;
  readonly readSeconds: number;
}

/** The reason for missing figures. */
export interface Impossible {
  readonly cannot: string;
}

export const FILE_MIB = 256;

const HEADER = '/run/bench-header';
const MAPPER = 'bench';
const MAPPED = `/dev/mapper/${MAPPER}`;
const MOUNT_POINT = '/run/bench-mount';
const HEADER_BYTES = '16M';

/** Works like `prepare-volume`: a dry run lists the blocks, and zeros are written past the page cache. */
const MAKE_FILESYSTEM = `
set -e
clears=$1; device=$2; shift 2
if [ "$clears" = yes ]; then
  dry=$(echo " $* " | sed 's/ -q / /')
  backups=$(mkfs.ext4 -n $dry "$device" 2>/dev/null | sed -n '/Superblock backups/,$p' | tr -c '0-9\\n' ' ')
  for block in 0 $backups; do
    dd if=/dev/zero of="$device" bs=4096 seek="$block" count=1 oflag=direct 2>/dev/null
  done
fi
mkfs.ext4 "$@" "$device"
`;

const CLEAN_UP = `umount ${MOUNT_POINT} 2>/dev/null; cryptsetup close ${MAPPER} 2>/dev/null; rm -f ${HEADER}; true`;

/** The names of the variants, which are the same on every size of disk. */
export function namesOf(diskBytes: number): readonly string[] {
  return variantsOf({ devicePath: '/dev/vda', deviceId: '254:0' }, diskBytes).map(({ name }) => name);
}

function variantsOf({ devicePath, deviceId }: Pick<GuestDisk, 'devicePath' | 'deviceId'>, bytes: number) {
  return listVariants({ path: devicePath, deviceId, bytes }, { headerPath: HEADER, mapperName: MAPPER });
}

/** Measures on a new disk, which is removed afterwards. */
export async function measureVariant(vm: PodVm, name: string, diskBytes: number): Promise<VariantFigures | Impossible> {
  const disk = await vm.plugDisk({ serial: 'bench', size: diskBytes });
  try {
    const variant = variantsOf(disk, diskBytes).find((each) => each.name === name);
    if (variant === undefined) throw new TypeError(`no variant is called ${name}`);
    return await measureSteps(vm, disk, variant);
  } catch (error) {
    return { cannot: error instanceof Error ? firstWords(error.message) : String(error) };
  } finally {
    await vm.run(['sh', '-c', CLEAN_UP]);
    await vm.unplugDisk('bench');
    rmSync(disk.image.path, { force: true });
  }
}

async function measureSteps(vm: PodVm, disk: GuestDisk, variant: Variant): Promise<VariantFigures> {
  const passphrase = randomBytes(64);
  const device = disk.devicePath;
  await vm.mustRun(['truncate', '-s', HEADER_BYTES, HEADER]);
  const seconds = (argv: readonly string[], stdin?: Uint8Array) =>
    timed(() => vm.mustRun(argv, stdin === undefined ? {} : { stdin }));
  const clears = variant.clearsFirst ? 'yes' : 'no';
  const format = await seconds(['cryptsetup', ...variant.format, device], passphrase);
  const open = await seconds(['cryptsetup', ...variant.open, device, MAPPER], passphrase);
  const mkfs = await seconds(['sh', '-c', MAKE_FILESYSTEM, 'sh', clears, MAPPED, ...variant.filesystem]);
  await vm.mustRun(['mkdir', '-p', MOUNT_POINT]);
  const mount = await seconds(['mount', '-t', 'ext4', '-o', 'noatime', MAPPED, MOUNT_POINT]);
  await vm.dropCaches();
  const allocatedBytes = disk.image.allocatedBytes();
  const file = `${MOUNT_POINT}/file`;
  const writeSeconds = await seconds([
    ...['dd', 'if=/dev/zero', `of=${file}`, 'bs=1M', `count=${FILE_MIB}`, 'conv=fsync'],
  ]);
  await vm.dropCaches();
  const readSeconds = await seconds(['dd', `if=${file}`, 'of=/dev/null', 'bs=1M']);
  return { format, open, mkfs, mount, allocatedBytes, writeSeconds, readSeconds };
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await action();
  return (performance.now() - startedMs) / 1000;
}

/** The command is known, so that only the end of its output matters. */
function firstWords(message: string): string {
  const said = message.slice(message.indexOf('--- stderr') + '--- stderr'.length).trim();
  return (said.split('\n')[0] ?? message).slice(0, 160);
}
