import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { runCommand } from '../../test/support/machine/commands.ts';
import { type Contender, type Daemon, pinnedReference, type Run } from './contender.ts';

const START_MS = 20_000;
const STOP_MS = 5000;

const socketOf = ({ folder }: Run): string => join(folder, 'containerd.sock');

/** Returns Debian's configuration with every path below `folder`. */
function configure(folder: string): string {
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
[grpc]
  address = "${folder}/containerd.sock"
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "${folder}/cni"
  [plugins."io.containerd.internal.v1.opt"]
    path = "${folder}/opt"
`;
}

/** A daemon for one run, so that nothing of an earlier run is left in its store or its memory. */
async function startDaemon(run: Run): Promise<Daemon> {
  const { folder, signal } = run;
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  const config = join(folder, 'containerd.toml');
  writeFileSync(config, configure(folder));
  const child = spawn('containerd', ['--config', config, '--log-level', 'error'], {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, TMPDIR: temporary },
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(timer);
  };
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline && child.exitCode === null && !signal.aborted) {
    const { code } = await runCommand('ctr', ['--address', socketOf(run), 'images', 'ls', '-q']);
    if (code === 0 && child.pid !== undefined) return { pid: child.pid, stop };
    await wait(50);
  }
  await stop();
  throw new Error('containerd did not start to answer');
}

/** `ctr images pull` unpacks into the default snapshotter, overlayfs; the daemon does the work. */
export const containerd: Contender = {
  name: 'ctr (containerd)',
  kind: 'peer',
  needs: ['containerd', 'ctr'],
  prepare: startDaemon,
  steps: (run) => [
    { command: ['ctr', '--address', socketOf(run), 'images', 'pull', '--plain-http', pinnedReference(run)] },
  ],
  results(run) {
    const snapshots = join(run.folder, 'root/io.containerd.snapshotter.v1.overlayfs/snapshots');
    return readdirSync(snapshots)
      .map((name) => join(snapshots, name, 'fs'))
      .filter((folder) => existsSync(folder));
  },
};
