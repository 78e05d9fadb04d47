import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { CpioEntry } from './cpio-archive.ts';
import type { GuestKernel } from './kernel-package.ts';

const PROGRAM_FOLDER = 'usr/lib/sealift';
const NODE = `${PROGRAM_FOLDER}/lib/node`;
const AGENT = 'usr/lib/podvm/agent.mjs';

const PROGRAMS = ['cryptsetup', 'veritysetup', 'integritysetup', 'dmsetup', 'mkfs.ext4', 'e2fsck', 'debugfs', 'kmod'];
const CONTAINER_PROGRAMS = ['crun'];
/** kmod is one program with many names. */
const KMOD_NAMES = ['modprobe', 'insmod', 'rmmod', 'lsmod', 'modinfo'];
const FOLDERS = ['dev', 'proc', 'sys', 'run', 'tmp', 'mnt', 'root', 'etc', 'var/lib'];
/** Links to a merged /usr as in Debian; programs and their loader are found under the old names. */
const LINKS = { bin: 'usr/bin', sbin: 'usr/sbin', lib: 'usr/lib', lib64: 'usr/lib64', 'var/run': '/run' } as const;

const INITTAB = `::respawn:/usr/bin/env PATH=/usr/sbin:/usr/bin HOME=/root /${NODE} --disable-warning=ExperimentalWarning /${AGENT}
::ctrlaltdel:/usr/bin/poweroff
`;

const SETTINGS: Readonly<Record<string, string>> = {
  'etc/inittab': INITTAB,
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  'etc/os-release': 'ID=sealift-podvm\nPRETTY_NAME="Sealift pod VM"\n',
};

/** Settings of Debian that the guest needs. */
const HOST_SETTINGS = ['etc/mke2fs.conf'];

/** Lists the files that change only when Debian's packages, the kernel or Node do. */
export function listConstantFiles(kernel: GuestKernel, dist: string): CpioEntry[] {
  const programs = [...PROGRAMS, ...CONTAINER_PROGRAMS].map(findProgram);
  const node = join(dist, 'lib/node');
  const entries = new Map<string, CpioEntry>();
  const add = (entry: CpioEntry): void => {
    if (!entries.has(entry.path)) entries.set(entry.path, entry);
  };
  for (const path of FOLDERS) add({ kind: 'directory', path, mode: 0o755 });
  for (const [path, target] of Object.entries(LINKS)) add({ kind: 'symlink', path, target });
  for (const [path, text] of Object.entries(SETTINGS)) add(plainFile(path, Buffer.from(text)));
  for (const path of HOST_SETTINGS.filter((each) => existsSync(`/${each}`))) add(hostFile(path, `/${path}`));
  add({ kind: 'device', path: 'dev/console', major: 5, minor: 1 });
  add({ kind: 'device', path: 'dev/null', major: 1, minor: 3 });
  for (const program of programs) add(hostFile(posix.join('usr/bin', posix.basename(program)), program));
  for (const library of listLibraries([...programs, node])) add(hostFile(underUsr(library), library));
  for (const name of KMOD_NAMES) add({ kind: 'symlink', path: `usr/sbin/${name}`, target: '../bin/kmod' });
  for (const entry of listBusybox(entries)) add(entry);
  for (const entry of listTree(join(kernel.root, 'lib/modules'), 'usr/lib/modules')) add(entry);
  add(hostFile(NODE, node));
  return withParents([...entries.values()]);
}

/** The project's build and the agent: small, and different after each edit. */
export async function listChangingFiles(dist: string): Promise<CpioEntry[]> {
  // Files that `make dist` left beside the programs are not for the guest.
  const program = listTree(dist, PROGRAM_FOLDER).filter(({ path }) => path !== NODE && !path.endsWith('.tar.zst'));
  const init = fileURLToPath(new URL('./guest-init.sh', import.meta.url));
  return withParents([
    ...program,
    { kind: 'symlink', path: 'usr/bin/sealift', target: '../lib/sealift/sealift' },
    plainFile(AGENT, await bundleAgent()),
    { ...hostFile('init', init), mode: 0o755 },
  ]);
}

async function bundleAgent(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./guest-agent.ts', import.meta.url))],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    minifyWhitespace: true,
  });
  const [bundle] = outputFiles;
  if (bundle === undefined) throw new Error('esbuild made no agent');
  return bundle.contents;
}

function findProgram(name: string): string {
  const found = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((folder) => join(folder, name)).find(existsSync);
  if (found === undefined) throw new Error(`${name} is missing; run sh scripts/with-debian-packages.sh true`);
  return found;
}

/** Lists the paths at which the loader finds the libraries of each program, and the loader itself. */
function listLibraries(programs: readonly string[]): string[] {
  // Debian's argon2 looks for it when a thread is cancelled.
  const lazy = execFileSync('sh', ['-c', 'ls /lib/*-linux-gnu/libgcc_s.so.1'], { encoding: 'utf8' }).trim();
  const linked = programs.flatMap((program) => {
    const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
    return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
  });
  return [...new Set([lazy, ...linked])].sort();
}

function listBusybox(taken: ReadonlyMap<string, CpioEntry>): CpioEntry[] {
  const busybox = findProgram('busybox');
  const names = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const free = names.filter(
    (name) => name !== 'busybox' && !taken.has(`usr/bin/${name}`) && !taken.has(`usr/sbin/${name}`),
  );
  const links = free.map((name) => ({ kind: 'symlink', path: `usr/bin/${name}`, target: 'busybox' }) as const);
  return [hostFile('usr/bin/busybox', busybox), ...links];
}

function listTree(folder: string, target: string): CpioEntry[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return names.flatMap((name): CpioEntry[] => {
    const path = posix.join(target, name);
    const hostPath = join(folder, name);
    const status = lstatSync(hostPath);
    if (status.isDirectory()) return [];
    if (status.isSymbolicLink()) return [{ kind: 'symlink', path, target: readlinkSync(hostPath) }];
    return [hostFile(path, hostPath)];
  });
}

function hostFile(path: string, hostPath: string): CpioEntry & { kind: 'file' } {
  return { kind: 'file', path, mode: lstatSync(hostPath).mode & 0o111 ? 0o755 : 0o644, content: { hostPath } };
}

function plainFile(path: string, content: Uint8Array): CpioEntry {
  return { kind: 'file', path, mode: 0o644, content };
}

function underUsr(path: string): string {
  const relative = path.replace(/^\//, '');
  return relative.startsWith('usr/') ? relative : `usr/${relative}`;
}

/** The kernel makes no folder by itself, so each comes before what lies in it. */
function withParents(entries: readonly CpioEntry[]): CpioEntry[] {
  const folders = new Set<string>();
  for (const { path } of entries) {
    for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder)) folders.add(folder);
  }
  const known = new Set(entries.map(({ path }) => path));
  const missing = [...folders].filter((path) => !known.has(path));
  const made = missing.map((path) => ({ kind: 'directory', path, mode: 0o755 }) as const);
  return [...made, ...entries].sort((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)));
}
