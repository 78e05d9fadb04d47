import { hasCommand, runCommand } from '../../test/support/machine/commands.ts';

/** Debian package → a command in it. Only the bench needs the peers, so only the bench installs them. */
const PACKAGES = new Map([
  ['docker-registry', 'docker-registry'],
  ['skopeo', 'skopeo'],
  ['umoci', 'umoci'],
  ['podman', 'podman'],
  ['containerd', 'containerd'],
]);

/** Installs missing packages one by one, so that an unavailable peer does not affect the others. */
export async function installPackages(): Promise<void> {
  const missing = [...PACKAGES].filter(([, command]) => !hasCommand(command)).map(([name]) => name);
  if (missing.length === 0) return;
  console.error(`installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await runCommand('apt-get', ['update', '-qq'], { env }).catch(() => undefined);
  for (const name of missing) {
    const install = ['install', '-y', '-qq', '--no-install-recommends', name];
    const result = await runCommand('apt-get', install, { env }).catch((error: Error) => ({
      code: -1,
      stderr: error.message,
    }));
    if (result.code !== 0) console.error(`!!! ${name} cannot be installed: ${result.stderr.trim()}`);
  }
}

/** Returns texts like `skopeo 1.9.3+ds1-1` for the installed packages. */
export async function packageVersions(): Promise<string[]> {
  const parameters = ['-W', `-f=\${Package} \${Version}\n`, ...PACKAGES.keys()];
  const { stdout } = await runCommand('dpkg-query', parameters).catch(() => ({ stdout: Buffer.alloc(0) }));
  return stdout.toString().trim().split('\n').filter(Boolean);
}
