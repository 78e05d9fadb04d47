import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';

/** Ways in which a file can be altered. */
export const FILE_ALTERATIONS = [
  'flipped bit',
  'nothing left',
  'half of it',
  'other document',
  'garbage',
  'directory',
  'symlink',
  'fifo',
  'gone',
  'no permissions',
] as const;
export type FileAlteration = (typeof FILE_ALTERATIONS)[number];

interface Surroundings {
  /** Another whole document of the same kind. */
  readonly other: string;
  /** The path to which the file is moved when a symlink replaces it. */
  readonly elsewhere: string;
}

type Alter = (path: string, surroundings: Surroundings) => void;

const sizeOf = (path: string) => lstatSync(path).size;

const ALTERATIONS: Readonly<Record<FileAlteration, Alter>> = {
  'flipped bit': (path) => flipBit(path, Math.floor(sizeOf(path) / 2)),
  'nothing left': (path) => truncateSync(path),
  'half of it': (path) => truncateSync(path, Math.floor(sizeOf(path) / 2)),
  'other document': (path, { other }) => copyFileSync(other, path),
  garbage: (path) => writeFileSync(path, randomBytes(sizeOf(path))),
  directory: (path) => {
    rmSync(path);
    mkdirSync(path);
    // A directory that rename(2) would not replace.
    writeFileSync(`${path}/inside`, '');
  },
  symlink: (path, { elsewhere }) => {
    renameSync(path, elsewhere);
    symlinkSync(elsewhere, path);
  },
  fifo: (path) => {
    rmSync(path);
    execFileSync('mkfifo', [path]);
  },
  gone: (path) => rmSync(path),
  'no permissions': (path) => chmodSync(path, 0),
};

export function alterFile(path: string, alteration: FileAlteration, surroundings: Surroundings): void {
  ALTERATIONS[alteration](path, surroundings);
}

/** Flips one bit of one byte. */
export function flipBit(path: string, at: number, bit = 0): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
  writeFileSync(path, bytes);
}
