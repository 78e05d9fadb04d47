import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { tryLockFile } from '../../../src/store/lock-file.ts';
import { mustRun } from '../machine/commands.ts';
import { AGENT_READY } from './agent-protocol.ts';
import { CACHE_FOLDER } from './cache-folder.ts';
import type { Initramfs } from './initramfs.ts';
import type { GuestKernel } from './kernel-package.ts';
import { QemuProcess } from './qemu-process.ts';
import { ReapedFolder } from './supervised-process.ts';

const PREFIX = 'state-';
const POLL_MS = 50;

/**
 * Returns the file with the state of a machine whose agent is about to dial, and boots that machine if there is none of
 * this build yet: restoring takes an eighth of the work of booting.
 */
export async function loadSavedState(kernel: GuestKernel, initramfs: Initramfs): Promise<string> {
  const version = await mustRun('qemu-system-x86_64', ['--version']);
  const source = readFileSync(new URL('./qemu-process.ts', import.meta.url));
  const key = createHash('sha256').update(`${kernel.version}\0${initramfs.key}\0${version}\0`).update(source);
  const name = `${PREFIX}${key.digest('hex').slice(0, 24)}`;
  const path = join(CACHE_FOLDER, name);
  mkdirSync(CACHE_FOLDER, { recursive: true });
  // One process boots, and the others wait for it.
  using _ = await lock(`${path}.lock`);
  if (existsSync(path)) return path;
  for (const old of readdirSync(CACHE_FOLDER)) {
    if (old.startsWith(PREFIX) && !old.startsWith(name)) rmSync(join(CACHE_FOLDER, old), { force: true });
  }
  await bootAndSave(kernel, initramfs, path);
  return path;
}

async function lock(path: string): Promise<Disposable> {
  for (;;) {
    const held = tryLockFile(path, 'exclusive');
    if (held !== undefined) return { [Symbol.dispose]: () => held.release() };
    await setTimeout(POLL_MS);
  }
}

async function bootAndSave(kernel: GuestKernel, initramfs: Initramfs, target: string): Promise<void> {
  await using folder = new ReapedFolder('state', CACHE_FOLDER);
  const [initramfsPath, serialPath, path] = [folder.join('initramfs'), folder.join('serial'), folder.join('state')];
  initramfs.write(initramfsPath);
  const qemu = new QemuProcess({ vm: { name: 'saved' }, kernelPath: kernel.image, initramfsPath, serialPath });
  try {
    await Promise.race([qemu.negotiate(), qemu.ended]);
    while (!readFileSync(serialPath, 'utf8').includes(AGENT_READY)) {
      await Promise.race([setTimeout(POLL_MS), qemu.ended]);
    }
    await qemu.saveState(path);
  } finally {
    await qemu.kill();
  }
  renameSync(path, target);
}
