import type { ExpectedMapping } from './types.ts';

/** One target of a live table. */
interface LiveTarget {
  readonly startSector: number;
  readonly sectors: number;
  readonly type: string;
  readonly parameters: string;
}

export interface LiveTables {
  readonly crypt: readonly LiveTarget[];
  readonly integrity: readonly LiveTarget[];
  /** The device number of the integrity mapping, such as `253:0`. */
  readonly integrityDeviceId: string;
}

/**
 * Accepted if present: it does not change how data is stored, and newer versions of cryptsetup may write this default.
 */
const HMAC_KEY_SIZE = 'integrity_key_size:32';

/** Returns the first difference between the live tables and the expected ones, or undefined when they are equal. */
export function judgeMapping(expected: ExpectedMapping, live: LiveTables): string | undefined {
  return judgeCrypt(expected, live) ?? judgeIntegrity(expected, live.integrity);
}

/** Compares a table of dm-crypt, https://docs.kernel.org/admin-guide/device-mapper/dm-crypt.html */
function judgeCrypt(expected: ExpectedMapping, { crypt, integrityDeviceId }: LiveTables): string | undefined {
  const common = judgeTarget('crypt', expected.sectors, crypt);
  if (common !== undefined) return common;
  const [cipher = '', key = '', ivOffset, device, offset, ...options] = words(crypt);
  return (
    differs('cipher', expected.cipher, cipher) ??
    differs('bytes of key', expected.keyBytes, countKeyBytes(key)) ??
    differs('first IV', '0', ivOffset) ??
    differs('device of crypt', integrityDeviceId, device) ??
    differs('offset of crypt', '0', offset) ??
    judgeOptions([`integrity:${expected.tagBytes}:aead`, 'sector_size:4096'], options, [HMAC_KEY_SIZE])
  );
}

/**
 * Compares a table of dm-integrity, https://docs.kernel.org/admin-guide/device-mapper/dm-integrity.html. Mode `D`
 * writes without a journal.
 */
function judgeIntegrity(expected: ExpectedMapping, integrity: readonly LiveTarget[]): string | undefined {
  const common = judgeTarget('integrity', expected.sectors, integrity);
  if (common !== undefined) return common;
  const [device, offset, tagBytes, mode, ...options] = words(integrity);
  return (
    differs('device of integrity', expected.device.deviceId, device) ??
    differs('offset of integrity', '0', offset) ??
    differs('bytes of tag', String(expected.tagBytes), tagBytes) ??
    differs('mode of integrity', 'D', mode) ??
    judgeOptions(
      [
        'block_size:4096',
        `journal_sectors:${expected.journalSectors}`,
        `interleave_sectors:${expected.interleaveSectors}`,
        'buffer_sectors:128',
        'fix_padding',
      ],
      options,
    )
  );
}

function judgeTarget(type: string, sectors: number, targets: readonly LiveTarget[]): string | undefined {
  const [target] = targets;
  return (
    differs(`targets of ${type}`, 1, targets.length) ??
    differs('target', type, target?.type) ??
    differs(`first sector of ${type}`, 0, target?.startSector) ??
    differs(`sectors of ${type}`, sectors, target?.sectors)
  );
}

function words([target]: readonly LiveTarget[]): readonly string[] {
  return target?.parameters.split(' ') ?? [];
}

/**
 * The table names a key in the kernel's keyring (`:96:logon:…`), or shows its length (`#96`) instead of the key.
 */
function countKeyBytes(key: string): number | undefined {
  const [, bytes] = /^(?::([0-9]+):logon:\S+|#[0-9]+)$/.exec(key) ?? [];
  if (bytes !== undefined) return Number(bytes);
  return key.startsWith('#') ? Number(key.slice(1)) : undefined;
}

/** Compares options. The first word is the number of options that follow; their order does not matter. */
function judgeOptions(
  expected: readonly string[],
  [count, ...actual]: readonly string[],
  harmless: readonly string[] = [],
): string | undefined {
  const counted = actual.filter((option) => !harmless.includes(option));
  return (
    differs('number of options', String(actual.length), count) ??
    differs('options', [...expected].sort().join(' '), counted.sort().join(' '))
  );
}

function differs(what: string, expected: string | number, actual: string | number | undefined): string | undefined {
  return actual === expected ? undefined : `${what}: expected ${expected}, got ${actual ?? 'none'}`;
}
