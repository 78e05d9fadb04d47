import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../machine/commands.ts';
import { CACHE_FOLDER } from './cache-folder.ts';
import { ReapedFolder } from './supervised-process.ts';

export interface GuestKernel {
  readonly image: string;
  /** `6.1.0-56-cloud-amd64` */
  readonly version: string;
  /** Holds `lib/modules/VERSION` with what `depmod` writes. */
  readonly root: string;
}

const META_PACKAGE = 'linux-image-cloud-amd64';

/** These, and what they depend on. The rest (graphics, sound, other networks) is most of the package. */
const KEPT_MODULES =
  /^kernel\/(arch\/x86\/crypto|crypto|lib|drivers\/(md|virtio)|fs\/(erofs|ext4|fuse|overlayfs|squashfs|xfs))\/|\/(loop|nbd|virtio_blk|virtio_net)\.ko$/;

/**
 * Debian's kernel for virtual machines, as `apt-get download` gives it, unpacked once into the cache and not installed.
 * Delete the folder for a newer one.
 */
export async function loadGuestKernel(): Promise<GuestKernel> {
  const root = join(CACHE_FOLDER, 'kernel');
  if (!existsSync(root)) await unpackKernel(root);
  const version = readdirSync(join(root, 'lib/modules'))[0];
  if (version === undefined) throw new Error(`${root} has no kernel modules; delete it and run again`);
  return { root, version, image: join(root, 'boot', `vmlinuz-${version}`) };
}

async function unpackKernel(target: string): Promise<void> {
  mkdirSync(CACHE_FOLDER, { recursive: true });
  await using staging = new ReapedFolder('kernel', CACHE_FOLDER);
  await mustRun('apt-get', ['download', '-qq', await findPackage()], { cwd: staging.path });
  const archive = readdirSync(staging.path).find((name) => name.endsWith('.deb'));
  if (archive === undefined) throw new Error('apt-get download left no package');
  const root = staging.join('root');
  await mustRun('dpkg-deb', ['-x', staging.join(archive), root]);
  await trimModules(root);
  // Another run may have been first; its folder is as good.
  if (!existsSync(target)) renameSync(root, target);
}

async function findPackage(): Promise<string> {
  const listed = await mustRun('apt-cache', ['depends', META_PACKAGE]).catch(() => Buffer.of());
  const name = /Depends: (linux-image-\S+)/.exec(listed.toString())?.[1];
  if (name !== undefined) return name;
  throw new Error(`apt knows no ${META_PACKAGE}: run apt-get update as root; the pod VM needs Debian's package lists`);
}

async function trimModules(root: string): Promise<void> {
  const version = readdirSync(join(root, 'lib/modules'))[0] ?? '';
  const modules = join(root, 'lib/modules', version);
  await mustRun('/sbin/depmod', ['-b', root, version]);
  const kept = listKept(readFileSync(join(modules, 'modules.dep'), 'utf8'));
  const all = readdirSync(join(modules, 'kernel'), { recursive: true, encoding: 'utf8' });
  for (const name of all.filter((each) => each.endsWith('.ko') && !kept.has(`kernel/${each}`))) {
    rmSync(join(modules, 'kernel', name));
  }
  await mustRun('/sbin/depmod', ['-b', root, version]);
}

/** Lines are `MODULE: ALL THAT IT NEEDS`. */
function listKept(dependencies: string): ReadonlySet<string> {
  const lines = dependencies.split('\n').filter((line) => KEPT_MODULES.test(line.split(':')[0] ?? ''));
  return new Set(lines.flatMap((line) => line.replace(':', '').split(' ').filter(Boolean)));
}
