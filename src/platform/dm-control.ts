import { closeSync, constants, lstatSync, openSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { errnoOf, ioctl, mknod, S_IFMT } from './syscalls.ts';

/** Interface 4 of https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/dm-ioctl.h */
const VERSION = [4, 0, 0] as const;
const COMMANDS = {
  DM_DEV_CREATE: 0xc138fd03,
  DM_DEV_REMOVE: 0xc138fd04,
  DM_DEV_SUSPEND: 0xc138fd06,
  DM_TABLE_LOAD: 0xc138fd09,
  DM_TABLE_STATUS: 0xc138fd0c,
  DM_LIST_VERSIONS: 0xc138fd0d,
} as const;

const FLAGS = {
  READ_ONLY: 1 << 0,
  STATUS_TABLE: 1 << 4,
  BUFFER_FULL: 1 << 8,
  /** The kernel wipes its copies of the request and the result. */
  SECURE_DATA: 1 << 15,
  DEFERRED_REMOVE: 1 << 17,
} as const;

/** struct dm_ioctl: the offsets of its fields, and its size. */
const HEAD = { version: 0, size: 12, start: 16, targets: 20, flags: 28, device: 40, name: 48, uuid: 176, bytes: 312 };
const NAME_BYTES = 128;
const UUID_BYTES = 129;
/** struct dm_target_spec, which the parameters follow. */
const SPEC = { start: 0, length: 8, next: 20, type: 24, bytes: 40 };
const TYPE_BYTES = 16;
/** The largest result that is read; our tables have one target and are much shorter. */
const ANSWER_BYTES = 16 * 1024;

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** struct dm_target_versions: offset of the next one and, behind it, the name. */
const TARGET_VERSION = { next: 0, name: 16 };

/** One target of a mapping; a sector has 512 bytes. */
export interface DmTarget {
  readonly startSector: number;
  readonly sectors: number;
  readonly type: string;
  readonly parameters: string;
}

export interface NewMapping {
  readonly name: string;
  readonly uuid: string;
  readonly readOnly: boolean;
  readonly target: DmTarget;
}

/**
 * Creates a mapping and lets I/O through; one that fails is removed again. Throws `PLATFORM_CALL_FAILED`, with `EBUSY`
 * for a name or uuid in use.
 */
export function createMapping(
  { name, uuid, readOnly, target }: NewMapping,
  checkpoint: (name: string) => void = () => {},
): DeviceNumber {
  const { device } = control('DM_DEV_CREATE', name, { uuid });
  try {
    checkpoint('mapping-created');
    const flags = readOnly ? FLAGS.READ_ONLY : 0;
    control('DM_TABLE_LOAD', name, { flags, targets: 1, data: encodeTarget(target) });
    // Without a flag, “suspend” means “resume”: the loaded table becomes the live one.
    control('DM_DEV_SUSPEND', name, { flags });
    return device;
  } catch (error) {
    removeMapping(name);
    throw error;
  }
}

export interface LiveMapping {
  readonly device: DeviceNumber;
  readonly uuid: string;
  /** In the table of dm-crypt, `#` and the number of bytes replace the key. */
  readonly targets: readonly DmTarget[];
}

/** Reads the live table; undefined when no mapping has this name. */
export function readMapping(name: string): LiveMapping | undefined {
  try {
    const { device, uuid, targets, data } = control('DM_TABLE_STATUS', name, {
      flags: FLAGS.STATUS_TABLE | FLAGS.SECURE_DATA,
      answerBytes: ANSWER_BYTES,
    });
    const decoded = decodeTargets(data, targets);
    data.fill(0);
    return { device, uuid, targets: decoded };
  } catch (error) {
    if (errnoOf(error) === 'ENXIO') return undefined;
    throw error;
  }
}

/**
 * Removes a mapping; returns false when none has this name. A mapping in use is removed with its last user if
 * `deferred`, and otherwise throws `EBUSY`.
 */
export function removeMapping(name: string, { deferred = false } = {}): boolean {
  try {
    control('DM_DEV_REMOVE', name, { flags: deferred ? FLAGS.DEFERRED_REMOVE : 0 });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENXIO') return false;
    throw error;
  }
}

/** Lists the target types that the kernel has loaded, such as `crypt` and `verity`. Throws without device-mapper. */
export function listTargetTypes(): readonly string[] {
  const { data } = control('DM_LIST_VERSIONS', '', { answerBytes: ANSWER_BYTES });
  const types: string[] = [];
  for (let at = 0; at < data.length; ) {
    types.push(cString(data, at + TARGET_VERSION.name));
    const next = data.readUInt32LE(at + TARGET_VERSION.next);
    if (next === 0) break;
    at += next;
  }
  return types;
}

/** Returns the path of a mapping's node. devtmpfs creates it; without devtmpfs it is created here. */
export function mappingNode({ major, minor }: DeviceNumber): string {
  const path = `/dev/dm-${minor}`;
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    mknod(path, S_IFMT.BLOCK | 0o600, { major, minor });
  }
  return path;
}

interface Request {
  readonly uuid?: string;
  readonly flags?: number;
  readonly targets?: number;
  readonly data?: Buffer;
  readonly answerBytes?: number;
}

interface Answer {
  readonly device: DeviceNumber;
  readonly uuid: string;
  readonly targets: number;
  readonly data: Buffer;
}

function control(command: keyof typeof COMMANDS, name: string, request: Request): Answer {
  const { uuid = '', flags = 0, targets = 0, data = Buffer.alloc(0), answerBytes = 0 } = request;
  assertFits(name, NAME_BYTES);
  assertFits(uuid, UUID_BYTES);
  const buffer = Buffer.alloc(HEAD.bytes + Math.max(data.length, answerBytes));
  for (const [index, number] of VERSION.entries()) buffer.writeUInt32LE(number, HEAD.version + 4 * index);
  buffer.writeUInt32LE(buffer.length, HEAD.size);
  buffer.writeUInt32LE(HEAD.bytes, HEAD.start);
  buffer.writeUInt32LE(targets, HEAD.targets);
  buffer.writeUInt32LE(flags, HEAD.flags);
  buffer.write(name, HEAD.name);
  buffer.write(uuid, HEAD.uuid);
  data.copy(buffer, HEAD.bytes);
  const fd = openSync('/dev/mapper/control', constants.O_RDWR);
  try {
    ioctl(fd, { name: `${command} ${name}`, number: COMMANDS[command] }, buffer);
  } finally {
    closeSync(fd);
  }
  if ((buffer.readUInt32LE(HEAD.flags) & FLAGS.BUFFER_FULL) !== 0) {
    throw new SealiftError(
      'PLATFORM_CALL_FAILED',
      `${command} ${name}: expected at most ${answerBytes} bytes, got more`,
    );
  }
  return {
    device: decodeDevice(buffer.readBigUInt64LE(HEAD.device)),
    uuid: cString(buffer, HEAD.uuid),
    targets: buffer.readUInt32LE(HEAD.targets),
    data: buffer.subarray(buffer.readUInt32LE(HEAD.start), buffer.readUInt32LE(HEAD.size)),
  };
}

/** Refuses a text that the structure would cut off, because it would then name something else. */
function assertFits(text: string, bytes: number): void {
  if (Buffer.byteLength(text) < bytes && !text.includes('\0')) return;
  throw new SealiftError(
    'PLATFORM_CALL_FAILED',
    `device-mapper: expected fewer than ${bytes} bytes without NUL, got "${text}"`,
  );
}

/** huge_encode_dev of include/linux/kdev_t.h */
function decodeDevice(device: bigint): DeviceNumber {
  return { major: Number((device >> 8n) & 0xfffn), minor: Number((device & 0xffn) | ((device >> 12n) & 0xfff00n)) };
}

function encodeTarget({ startSector, sectors, type, parameters }: DmTarget): Buffer {
  assertFits(type, TYPE_BYTES);
  const bytes = SPEC.bytes + Buffer.byteLength(parameters) + 1;
  const buffer = Buffer.alloc(Math.ceil(bytes / 8) * 8);
  buffer.writeBigUInt64LE(BigInt(startSector), SPEC.start);
  buffer.writeBigUInt64LE(BigInt(sectors), SPEC.length);
  buffer.writeUInt32LE(buffer.length, SPEC.next);
  buffer.write(type, SPEC.type);
  buffer.write(parameters, SPEC.bytes);
  return buffer;
}

/** Decodes the targets of a result, in which `next` counts from the start of the first target. */
function decodeTargets(data: Buffer, count: number): readonly DmTarget[] {
  const targets: DmTarget[] = [];
  for (let at = 0; targets.length < count; at = data.readUInt32LE(at + SPEC.next)) {
    const type = cString(data, at + SPEC.type);
    targets.push({
      startSector: Number(data.readBigUInt64LE(at + SPEC.start)),
      sectors: Number(data.readBigUInt64LE(at + SPEC.length)),
      type,
      parameters: type === 'crypt' ? withoutKey(data, at + SPEC.bytes) : cString(data, at + SPEC.bytes),
    });
  }
  return targets;
}

/**
 * Reads the parameters of dm-crypt (https://docs.kernel.org/admin-guide/device-mapper/dm-crypt.html): cipher, key, the
 * rest. A key in the kernel's keyring is a colon and a name. Any other key is in hexadecimal and must not become a
 * string, which cannot be wiped.
 */
function withoutKey(data: Buffer, start: number): string {
  const key = data.indexOf(0x20, start) + 1;
  if (data[key] === 0x3a) return cString(data, start);
  const end = data.indexOf(0x20, key);
  return `${data.toString('latin1', start, key)}#${(end - key) / 2}${cString(data, end)}`;
}

function cString(data: Buffer, start: number): string {
  return data.toString('latin1', start, data.indexOf(0, start));
}
