import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extract, type Header } from 'tar-stream';
import { mustRun, runCommand } from '../machine/commands.ts';
import { dir, file, hardlink, symlink, type TarMember } from './tar-builder.ts';

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/debian', import.meta.url));

/** Packages with enough files to run dash and coreutils, programs with setuid and setgid, and many small files. */
const RUNNING = ['libc6', 'dash', 'coreutils', 'libselinux1', 'libpcre2-8-0', 'libacl1', 'libattr1', 'libgmp10'];
const SETUID = ['passwd', 'mount', 'login'];
const PLENTY = ['adwaita-icon-theme', 'ncurses-term', 'perl-modules-5.36', 'tzdata'];
const PACKAGES = [...RUNNING, ...SETUID, ...PLENTY];

/** Links of Debian with merged /usr; packages still name files below them. */
const MERGED = ['bin', 'lib', 'lib64', 'sbin'];

export interface DebianPackageFiles {
  readonly name: string;
  readonly members: readonly TarMember[];
}

/**
 * The files of some Debian packages, without those named, as tar members, names without a leading `./` and with /usr
 * merged, in package order. Packages are downloaded once; without a network the files of those that are installed take
 * their place.
 */
export async function loadDebianFiles(without: readonly string[] = []): Promise<DebianPackageFiles[]> {
  const archives = await downloadPackages();
  if (archives === undefined) return [await loadInstalledFiles()];
  const packages: DebianPackageFiles[] = [];
  for (const archive of archives) {
    const [name = archive] = archive.split('_');
    if (without.includes(name)) continue;
    const tar = await mustRun('dpkg-deb', ['--fsys-tarfile', join(CACHE, archive)]);
    packages.push({ name, members: await readMembers(tar) });
  }
  return packages;
}

async function downloadPackages(): Promise<string[] | undefined> {
  mkdirSync(CACHE, { recursive: true });
  const find = (name: string) =>
    readdirSync(CACHE).find((each) => each.startsWith(`${name}_`) && each.endsWith('.deb'));
  const absent = PACKAGES.filter((name) => find(name) === undefined);
  if (absent.length > 0) {
    const { code } = await runCommand('apt-get', ['download', ...absent], { cwd: CACHE });
    if (code !== 0) return undefined;
  }
  return PACKAGES.flatMap((name) => find(name) ?? []);
}

async function loadInstalledFiles(): Promise<DebianPackageFiles> {
  const listed = await mustRun('sh', ['-c', 'cat /var/lib/dpkg/info/*.list | LC_ALL=C sort -u']);
  const paths = listed
    .toString()
    .split('\n')
    .filter((path) => path.length > 2 && path !== '/.' && existsSync(path))
    .map((path) => path.slice(1));
  const list = Buffer.from(paths.join('\0'));
  const tar = await mustRun('tar', ['-C', '/', '--no-recursion', '--null', '-T', '-', '-c'], { input: list });
  return { name: 'installed', members: await readMembers(tar) };
}

async function readMembers(tar: Buffer): Promise<TarMember[]> {
  const members: TarMember[] = [];
  const archive = extract();
  archive.end(tar);
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(Buffer.from(chunk));
    const member = toMember(entry.header, Buffer.concat(chunks));
    if (member !== undefined) members.push(member);
  }
  return members;
}

function toMember(header: Header, content: Buffer): TarMember | undefined {
  const original = toBytes(header.name)
    .replace(/^\.?\//, '')
    .replace(/\/$/, '');
  if (original === '' || (header.type !== 'file' && MERGED.includes(original))) return undefined;
  const name = mergeUsr(original);
  const attributes = {
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    mtime: { seconds: Math.floor(header.mtime.getTime() / 1000), nanoseconds: nanosecondsOf(name) },
  };
  switch (header.type) {
    case 'file':
      return file(name, content, attributes);
    case 'directory':
      return dir(name, attributes);
    case 'symlink':
      return symlink(name, toBytes(header.linkname), attributes);
    case 'link':
      return hardlink(name, mergeUsr(toBytes(header.linkname).replace(/^\.?\//, '')), attributes);
    default:
      return undefined;
  }
}

/** tar-stream decodes names as UTF-8; the builder takes one character for each byte. */
function toBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function mergeUsr(path: string): string {
  return MERGED.some((folder) => path === folder || path.startsWith(`${folder}/`)) ? `usr/${path}` : path;
}

/**
 * Returns the nanoseconds of a file's time: packages have whole seconds, so every third file gets a fraction, always
 * the same one.
 */
function nanosecondsOf(name: string): number {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.charCodeAt(0)) % 1_000_000_007;
  return sum % 3 === 0 ? sum % 1_000_000_000 : 0;
}
