import { closeSync, constants, openSync, statSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { createMapping, type DmTarget, mappingNode, readMapping, removeMapping } from './dm-control.ts';
import { errnoOf } from './syscalls.ts';
import type { Checkpoint } from './types.ts';

const BLOCK_BYTES = 4096;
const SECTORS_PER_BLOCK = BLOCK_BYTES / 512;
const UUID_PREFIX = 'SEALIFT-VERITY-';

/** A file system with its hash tree behind it, both on one block device. */
export interface VerityOptions {
  /** The name of the mapping; the same name always means the same bytes. */
  readonly name: string;
  /** The path of the block device. */
  readonly device: string;
  /** 64 hex digits, SHA-256. */
  readonly rootHash: string;
  /** The byte of the device at which the tree begins, a multiple of 4096: all bytes before it are verified. */
  readonly hashOffset: number;
}

/** A mapping whose reads are verified: a block that does not match the root hash is an I/O error. */
export interface VerityDevice {
  readonly path: string;
  /** Closes the mapping, which then exists only as long as it is in use elsewhere. */
  release(): void;
}

/**
 * Creates the mapping, or finds one of the same name, whose table must be equal in every word. The mapping is held open
 * and is removed with its last user, so that a process that dies leaves none. Throws `PLATFORM_CALL_FAILED`.
 * ADR 0015 says why images are read through dm-verity, docs/adr/0015-image-store.md.
 */
export function openVerity(options: VerityOptions, checkpoint: Checkpoint = () => {}): VerityDevice {
  const { name } = options;
  const target = verityTarget(options);
  const path = mappingNode(findMapping(name, target) ?? createOrFind(options, target, checkpoint));
  const fd = openSync(path, constants.O_RDONLY);
  const release = (): void => {
    closeSync(fd);
    // Removes an unused mapping now; the kernel alone would remove it later, asynchronously.
    removeMapping(name, { deferred: true });
  };
  try {
    removeMapping(name, { deferred: true });
    return { path, release };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function createOrFind({ name, rootHash }: VerityOptions, target: DmTarget, checkpoint: Checkpoint) {
  const uuid = `${UUID_PREFIX}${name}-${rootHash.slice(0, 16)}`;
  try {
    return createMapping({ name, uuid, readOnly: true, target }, checkpoint);
  } catch (error) {
    // Another thread has created it meanwhile.
    const found = errnoOf(error) === 'EBUSY' ? findMapping(name, target) : undefined;
    if (found === undefined) throw error;
    return found;
  }
}

function findMapping(name: string, expected: DmTarget) {
  const found = readMapping(name);
  if (found === undefined) return undefined;
  const [actual] = found.targets;
  if (actual === undefined) {
    // The process that created it died before it loaded a table.
    removeMapping(name);
    return undefined;
  }
  if (found.targets.length === 1 && isSame(actual, expected)) return found.device;
  throw new SealiftError(
    'PLATFORM_CALL_FAILED',
    `device-mapper ${name}: expected ${describe(expected)}, got ${describe(actual)}`,
    { context: { call: 'DM_TABLE_STATUS', expected: describe(expected), actual: describe(actual) } },
  );
}

function isSame(actual: DmTarget, expected: DmTarget): boolean {
  return describe(actual) === describe(expected);
}

function describe({ startSector, sectors, type, parameters }: DmTarget): string {
  return `${startSector} ${sectors} ${type} ${parameters}`;
}

/**
 * Returns the table of https://docs.kernel.org/admin-guide/device-mapper/verity.html: hash type 1, SHA-256, no salt.
 * The device is given by its number, as the kernel shows it in a live table.
 */
export function verityTarget({ device, rootHash, hashOffset }: VerityOptions): DmTarget {
  const { rdev } = statSync(device);
  const number = `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
  const blocks = hashOffset / BLOCK_BYTES;
  const parameters = `1 ${number} ${number} ${BLOCK_BYTES} ${BLOCK_BYTES} ${blocks} ${blocks} sha256 ${rootHash} -`;
  return { startSector: 0, sectors: blocks * SECTORS_PER_BLOCK, type: 'verity', parameters };
}
