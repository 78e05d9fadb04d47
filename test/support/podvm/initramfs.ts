import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CACHE_FOLDER } from './cache-folder.ts';
import { type CpioEntry, readContent, writeCpio } from './cpio-archive.ts';
import { listChangingFiles, listConstantFiles } from './guest-files.ts';
import type { GuestKernel } from './kernel-package.ts';
import { ReapedFolder } from './supervised-process.ts';

const PREFIX = 'constant-';

export interface Initramfs {
  /** Differs when the content does. */
  readonly key: string;
  write(target: string): void;
}

/** Collects the initramfs for `dist`: a cached constant part, then one with what the last build and edit left. */
export async function buildInitramfs(kernel: GuestKernel, dist: string): Promise<Initramfs> {
  const constant = await buildConstantPart(listConstantFiles(kernel, dist));
  const changing = await listChangingFiles(dist);
  return {
    key: `${basename(constant)}-${hashEntries(changing)}`,
    write: (target) => {
      copyFileSync(constant, target);
      writeCpio(target, changing);
    },
  };
}

/** Not compressed: unpacking zstd under emulation takes 2.5 s longer than copying 180 MB. */
async function buildConstantPart(entries: readonly CpioEntry[]): Promise<string> {
  const name = `${PREFIX}${hashEntries(entries)}.cpio`;
  const path = join(CACHE_FOLDER, name);
  if (existsSync(path)) return path;
  mkdirSync(CACHE_FOLDER, { recursive: true });
  await using staging = new ReapedFolder('initramfs', CACHE_FOLDER);
  writeCpio(staging.join(name), entries);
  for (const old of readdirSync(CACHE_FOLDER).filter((each) => each.startsWith(PREFIX))) {
    rmSync(join(CACHE_FOLDER, old), { force: true });
  }
  renameSync(staging.join(name), path);
  return path;
}

function hashEntries(entries: readonly CpioEntry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) {
    const content = entry.kind === 'file' ? readContent(entry.content) : Buffer.of();
    const { content: _, ...header } = { content: undefined, ...entry };
    hash.update(JSON.stringify([header, content.length])).update(content);
  }
  return hash.digest('hex').slice(0, 24);
}
