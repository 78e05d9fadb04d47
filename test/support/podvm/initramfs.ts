import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE_FOLDER } from './cache-folder.ts';
import { type CpioEntry, readContent, writeCpio } from './cpio-archive.ts';
import { listChangingFiles, listConstantFiles } from './guest-files.ts';
import type { GuestKernel } from './kernel-package.ts';
import { ReapedFolder } from './supervised-process.ts';

const PREFIX = 'constant-';

/** Puts the initramfs for `dist` at `target`: a cached constant part, then one with what the last build and edit left. */
export async function buildInitramfs(kernel: GuestKernel, dist: string, target: string): Promise<void> {
  copyFileSync(await buildConstantPart(listConstantFiles(kernel, dist)), target);
  writeCpio(target, await listChangingFiles(dist));
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
