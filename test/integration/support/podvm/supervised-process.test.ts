import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { mustRun } from '../../../support/machine/commands.ts';
import { mountsBelow } from '../../../support/machine/mounts.ts';
import { describeWith } from '../../../support/machine/needs.ts';
import { ReapedFolder } from '../../../support/podvm/supervised-process.ts';
import { POD_VM_NEEDS } from '../../../support/podvm/use-pod-vm.ts';

const PEER = fileURLToPath(new URL('../../../support/entries/killed-peer.ts', import.meta.url));

/** True if the process does not exist, or has ended and was not reaped yet. */
function isGone(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

describeWith(['root', ...POD_VM_NEEDS], 'what a test starts for a pod VM', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'is gone with the test, %s or not: QEMU, qemu-nbd, disks',
    async (signal) => {
      const peer = spawn(process.execPath, [PEER], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [line] = await once(peer.stdout, 'data');
      const { folder, processes }: { folder: string; processes: number[] } = JSON.parse(String(line));
      expect(existsSync(folder)).toBe(true);
      expect(processes.map(isGone)).toEqual([false, false]);
      peer.kill(signal);
      await once(peer, 'exit');
      await expect.poll(() => [existsSync(folder), ...processes.map(isGone)]).toEqual([false, true, true]);
    },
  );

  it('leaves no mount in its folder', async () => {
    const folder = new ReapedFolder('test');
    const mountPoints = [folder.join('outer'), folder.join('outer/inner')];
    for (const mountPoint of mountPoints) {
      mkdirSync(mountPoint);
      await mustRun('mount', ['-t', 'tmpfs', 'sealift-test', mountPoint]);
    }
    expect(mountsBelow(folder.path)).toHaveLength(2);
    await folder[Symbol.asyncDispose]();
    expect(mountsBelow(folder.path)).toEqual([]);
    expect(existsSync(folder.path)).toBe(false);
  });

  it('has its folder removed when it is done', async () => {
    const folder = new ReapedFolder('test');
    writeFileSync(folder.join('file'), '');
    await folder[Symbol.asyncDispose]();
    expect(existsSync(folder.path)).toBe(false);
  });
});
