import type { IntegrityAlgorithm } from '../config/index.ts';
import { SealiftError } from '../errors/index.ts';
import { layOutIntegrity } from './lay-out-integrity.ts';
import type { DeviceFacts, ExpectedMapping, VolumePurpose } from './types.ts';

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;
/** On a smaller device, superblock, journal and tags would take more than is left for images. */
const MIN_DEVICE_BYTES = 64 * 1024 * 1024;

/** The parameters of cryptsetup for a cipher, and what dm-crypt shows for it in its table. */
interface CipherPlan {
  readonly parameters: readonly string[];
  readonly tableCipher: string;
  readonly keyBytes: number;
  /** The bytes per block for the tag and, with AEGIS, the random nonce. */
  readonly tagBytes: number;
}

const CIPHERS: Readonly<Record<IntegrityAlgorithm, CipherPlan>> = {
  'hmac-sha256': {
    parameters: ['--cipher', 'aes-xts-plain64', '--key-size', '512', '--integrity', 'hmac-sha256'],
    tableCipher: 'capi:authenc(hmac(sha256),xts(aes))-plain64',
    keyBytes: 96,
    tagBytes: 32,
  },
  aegis128: {
    parameters: ['--cipher', 'aegis128-random', '--key-size', '128', '--integrity', 'aead'],
    tableCipher: 'capi:aegis128-random',
    keyBytes: 16,
    tagBytes: 32,
  },
};

/** Returns the setting that belongs to a cipher as dm-crypt names it. */
export function integrityOf(tableCipher: string): IntegrityAlgorithm | undefined {
  return INTEGRITIES.find((integrity) => CIPHERS[integrity].tableCipher === tableCipher);
}

const INTEGRITIES = Object.keys(CIPHERS) as IntegrityAlgorithm[];

export interface VolumePlan {
  readonly expected: ExpectedMapping;
  /** Parameters of cryptsetup and of mkfs.ext4. */
  readonly format: readonly string[];
  readonly open: readonly string[];
  readonly filesystem: readonly string[];
}

export interface PlanOptions {
  readonly mapperName: string;
  readonly integrity: IntegrityAlgorithm;
  /** The LUKS2 header: in guest memory, never on the device. */
  readonly headerPath: string;
  readonly purpose: VolumePurpose;
  readonly bytesPerInode?: number | undefined;
}

/** Plans the commands that prepare the device, and the tables that must result. Throws `VOLUME_DEVICE_INVALID`. */
export function planVolume(device: DeviceFacts, options: PlanOptions): VolumePlan {
  const { mapperName, integrity, headerPath, purpose, bytesPerInode } = options;
  const cipher = CIPHERS[integrity];
  const layout = layOutIntegrity(Math.floor(device.bytes / SECTOR_BYTES), cipher.tagBytes);
  if (device.bytes < MIN_DEVICE_BYTES || layout === undefined) throw tooSmall(device, purpose);
  const expected: ExpectedMapping = {
    name: mapperName,
    device: { deviceId: device.deviceId, diskseq: device.diskseq },
    sectors: layout.dataSectors,
    cipher: cipher.tableCipher,
    keyBytes: cipher.keyBytes,
    tagBytes: cipher.tagBytes,
    journalSectors: layout.journalSectors,
    interleaveSectors: layout.interleaveSectors,
  };
  const unlock = ['--batch-mode', '--type', 'luks2', '--header', headerPath, '--key-file', '-'];
  return {
    expected,
    format: ['luksFormat', ...unlock, ...FORMAT_PARAMETERS, ...cipher.parameters, device.path],
    // The journal is an option of the open mapping; given to luksFormat, it would have no effect.
    open: ['open', ...unlock, '--integrity-no-journal', device.path, mapperName],
    filesystem: filesystemParameters(layout.dataSectors * SECTOR_BYTES, bytesPerInode),
  };
}

/**
 * The passphrase is 64 random bytes: a slow derivation would make it no harder to guess. Nothing is wiped: a block that
 * is read before it is written has no valid tag, and the read fails.
 */
const FORMAT_PARAMETERS = [
  ...['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--hash', 'sha256'],
  ...['--sector-size', '4096', '--integrity-no-wipe'],
];

/**
 * All features are listed, because the mke2fs.conf of a guest may set any defaults. With checksums, mkfs can leave the
 * bitmaps for later.
 */
const FEATURES = [
  ...['none', 'extent', '64bit', 'flex_bg', 'metadata_csum', 'sparse_super2', 'dir_index', 'filetype'],
  ...['ext_attr', 'extra_isize', 'dir_nlink', 'large_file', 'huge_file'],
];

/**
 * There is no journal, because the key is lost when the guest crashes. Inode tables are written now, because the
 * kernel's background thread for them would read blocks that were never written.
 */
function filesystemParameters(bytes: number, bytesPerInode: number | undefined): readonly string[] {
  const inodes = String(countInodes(bytes, bytesPerInode));
  return [
    ...['-q', '-F', '-t', 'ext4', '-b', String(BLOCK_BYTES), '-I', '256', '-N', inodes],
    ...['-m', '0', '-e', 'remount-ro', '-O', FEATURES.join(',')],
    ...['-E', 'lazy_itable_init=0,nodiscard'],
    ...(bytes > LARGE_BYTES ? ['-G', LARGE_FLEX_GROUPS] : []),
  ];
}

/** Groups inode tables and bitmaps: mkfs of 4 TiB takes 35 s under emulation instead of 116 s. */
const LARGE_BYTES = 2 ** 40;
const LARGE_FLEX_GROUPS = '32768';

const MAX_INODES = 262_144;
const BYTES_PER_INODE = 128 * 1024;
/** Small devices get more inodes per byte, because containers have as many files there. */
const SMALL_INODES = 16_384;
const SMALL_BYTES_PER_INODE = 16 * 1024;

/**
 * Layers are one file each; containers write the other files. Each inode is 256 bytes that mkfs has to encrypt. Where the
 * request says how many inodes there should be, there is no upper bound: all files are those of containers.
 */
function countInodes(bytes: number, bytesPerInode: number | undefined): number {
  const small = Math.min(SMALL_INODES, Math.floor(bytes / SMALL_BYTES_PER_INODE));
  if (bytesPerInode !== undefined) return Math.max(small, Math.floor(bytes / bytesPerInode));
  return Math.min(MAX_INODES, Math.max(small, Math.floor(bytes / BYTES_PER_INODE)));
}

const ENLARGE_HINTS: Readonly<Record<VolumePurpose, string>> = {
  imageStore: 'enlarge the image store with the annotation contrast.edgeless.systems/image-store-size',
  emptyDir: 'raise the sizeLimit of the emptyDir volume',
};

function tooSmall({ path, bytes }: DeviceFacts, purpose: VolumePurpose): SealiftError {
  return new SealiftError(
    'VOLUME_DEVICE_INVALID',
    `disk ${path}: expected at least ${MIN_DEVICE_BYTES} bytes, got ${bytes}`,
    {
      context: { path, expected: MIN_DEVICE_BYTES, actual: bytes },
      hint: ENLARGE_HINTS[purpose],
    },
  );
}

/**
 * Returns the blocks that mkfs.ext4 reads before it writes them: the superblock, and its copies that a dry run lists.
 * mkfs writes parts of them through the page cache, which reads the rest.
 */
export function blocksReadByMkfs(dryRunOutput: string): readonly number[] {
  const [, listed = ''] = /Superblock backups stored on blocks:\s*\n([0-9,\s]*)/.exec(dryRunOutput) ?? [];
  return [0, ...[...listed.matchAll(/[0-9]+/g)].map(([block]) => Number(block))];
}
