/** A process for tests to kill: it starts what a pod VM needs, reports that in one line of JSON, and waits. */
import { writeFileSync, writeSync } from 'node:fs';
import { DiskImage } from '../podvm/disk-image.ts';
import { NbdServer } from '../podvm/nbd-server.ts';
import { ReapedFolder, spawnSupervised } from '../podvm/supervised-process.ts';

const folder = new ReapedFolder('killed');
const image = DiskImage.create(folder.join('disk.img'), 1 << 20);
const nbd = await NbdServer.start({ imagePath: image.path, socketPath: folder.join('disk.nbd'), readOnly: false });
await nbd.stall();
const machine = ['-nodefaults', '-display', 'none', '-machine', 'none', '-accel', 'tcg', '-qmp', 'stdio'];
const qemu = spawnSupervised('qemu-system-x86_64', machine, { stdio: ['pipe', 'pipe', 'inherit'] });
qemu.stdout?.once('data', () => {
  writeFileSync(folder.join('more'), 'left behind');
  writeSync(1, `${JSON.stringify({ folder: folder.path, processes: [qemu.pid, nbd.pid] })}\n`);
});
