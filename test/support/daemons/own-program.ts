import { closeSync, constants, copyFileSync, cpSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Copies a built daemon to `folder` with a Node binary of its own, and returns its launcher. Pages that other processes
 * have mapped as well cannot be given back, and the builds share one binary. The daemon gets a mount namespace of its
 * own: a mount that another program removes would make it sweep its store.
 */
export function copyProgram(built: string, folder: string): string {
  cpSync(built, folder, { recursive: true });
  const node = join(folder, 'lib/node');
  rmSync(node);
  copyFileSync(join(built, 'lib/node'), node);
  // Pages that are still to be written to the disk stay in memory.
  const fd = openSync(node, constants.O_RDONLY);
  fsyncSync(fd);
  closeSync(fd);
  const launcher = join(folder, 'sealiftd-apart');
  const command = `exec unshare --mount --propagation private ${join(folder, 'sealiftd')} "$@"`;
  writeFileSync(launcher, `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  return launcher;
}
