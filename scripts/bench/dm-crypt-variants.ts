import type { DeviceFacts } from '../../src/volume/index.ts';
import { type PlanOptions, planVolume, type VolumePlan } from '../../src/volume/plan-volume.ts';

export interface VariantDevice {
  readonly path: string;
  readonly deviceId: string;
  readonly bytes: number;
}

/** One way to make a disk the store: the parameters of cryptsetup and mkfs.ext4 without the last one, the device. */
export interface Variant {
  readonly name: string;
  readonly format: readonly string[];
  readonly open: readonly string[];
  readonly filesystem: readonly string[];
  /** Blocks that mkfs reads before it writes them have no valid tag yet, and are written first. */
  readonly clearsFirst: boolean;
}

export interface VariantNames {
  readonly headerPath: string;
  readonly mapperName: string;
}

export const HUB_NAME = 'confidential-data-hub’s recipe';
/** These two make the kernel load every module that a variant needs, so that the first variant does not pay for it. */
export const WARM_UP_NAMES = [HUB_NAME, 'aegis128, our mkfs options'] as const;

/** The defaults of mke2fs; the VM has no mke2fs.conf. */
const DEFAULT_FILESYSTEM = ['-q', '-F'] as const;

/** The compared variants on one size of disk. */
export function listVariants(device: VariantDevice, names: VariantNames): readonly Variant[] {
  const hmac = planFor(device, names, 'hmac-sha256');
  const aegis = planFor(device, names, 'aegis128');
  const { filesystem } = hmac;
  const guarded = (name: string, plan: VolumePlan, options: readonly string[]): Variant => ({
    name,
    format: plan.format.slice(0, -1),
    open: plan.open.slice(0, -2),
    filesystem: options,
    clearsFirst: true,
  });
  return [
    hubRecipe(names),
    guarded('hmac-sha256, as shipped', hmac, filesystem),
    guarded('hmac-sha256, mkfs defaults', hmac, DEFAULT_FILESYSTEM),
    guarded('aegis128, our mkfs options', aegis, aegis.filesystem),
    guarded('aegis128, mkfs defaults', aegis, DEFAULT_FILESYSTEM),
    withoutIntegrity('no integrity, our mkfs options', hmac, filesystem),
    withoutIntegrity('no integrity, mkfs defaults', hmac, DEFAULT_FILESYSTEM),
  ];
}

function planFor(device: VariantDevice, names: VariantNames, integrity: PlanOptions['integrity']): VolumePlan {
  const { path, deviceId, bytes } = device;
  const facts: DeviceFacts = { path, deviceId, bytes, sectorBytes: 512, diskseq: '1' };
  return planVolume(facts, { ...names, integrity, purpose: 'imageStore' });
}

/** The shipped options without those that make changed blocks an error. */
function withoutIntegrity(name: string, plan: VolumePlan, filesystem: readonly string[]): Variant {
  const format = plan.format.slice(0, -1);
  const at = format.indexOf('--integrity');
  return {
    name,
    format: format.filter(
      (parameter, index) => index !== at && index !== at + 1 && parameter !== '--integrity-no-wipe',
    ),
    open: plan.open.slice(0, -2).filter((parameter) => parameter !== '--integrity-no-journal'),
    filesystem,
    clearsFirst: false,
  };
}

/**
 * Uses Sealift's fast key derivation; confidential-data-hub leaves cryptsetup's slow default.
 * https://github.com/confidential-containers/guest-components/tree/main/confidential-data-hub/hub/src/storage/volume_type/blockdevice
 */
function hubRecipe({ headerPath }: VariantNames): Variant {
  const common = ['--batch-mode', '--header', headerPath, '--key-file', '-'];
  return {
    name: HUB_NAME,
    format: [
      ...['luksFormat', ...common, '--type', 'luks2', '--cipher', 'aes-xts-plain64', '--sector-size', '4096'],
      ...['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'],
      ...['--integrity', 'hmac-sha256', '--integrity-no-wipe', '--integrity-no-journal'],
    ],
    open: ['luksOpen', ...common, '--integrity-no-journal'],
    filesystem: [
      ...['-q', '-F', '-O', '^has_journal', '-m', '0', '-i', '163840', '-I', '128', '-E', 'lazy_itable_init=0'],
    ],
    clearsFirst: true,
  };
}
