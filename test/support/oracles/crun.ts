import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, runCommand } from '../machine/commands.ts';

/**
 * crun refuses a machine whose cgroups are "hybrid" (version 1 with version 2 mounted beside). Without the mount of
 * version 2, in a mount namespace of its own, it runs; where there is no such mount, umount fails and nothing is lost.
 */
const SCRIPT = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --root "$1" run --bundle "$2" "$3"';

/** Runs the container of a bundle to its end and returns what it wrote. Needs root. */
export async function runBundle(bundle: string): Promise<CommandResult> {
  const id = `sealift-${randomUUID()}`;
  const state = join(tmpdir(), id);
  try {
    return await runCommand('unshare', ['-m', 'sh', '-c', SCRIPT, 'sh', state, bundle, id]);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}
