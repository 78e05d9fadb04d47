import { type DebianPackageFiles, loadDebianFiles } from './debian-files.ts';
import { type BuiltLayer, buildLayer, type LayerCompression } from './image-builder.ts';
import {
  block,
  char,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  type TarMember,
  tarStream,
  whiteout,
} from './tar-builder.ts';

/** The four layers of an image in which everything occurs that an image can have, bottom first. */
export interface RichImage {
  readonly layers: readonly (readonly TarMember[])[];
  /** How often a pull into an empty store must fetch each layer: twice for one that needs the layers below. */
  readonly expectedFetches: readonly number[];
  readonly directories: DirectoryFacts;
  /** Number of members of all layers together. */
  readonly memberCount: number;
}

export interface DirectoryFacts {
  /** Modification time in nanoseconds, from the last entry of each directory. */
  readonly declaredTimes: ReadonlyMap<string, bigint>;
  /** Directories that no layer has an entry for. */
  readonly unnamed: ReadonlySet<string>;
  /**
   * Directories in which a child was made before their own entry, or that have no entry: umoci then changes their time.
   */
  readonly madeAhead: ReadonlySet<string>;
}

const ANCIENT = { seconds: 1_234_567_890, nanoseconds: 123_456_789 };
const OWNED = { uid: 1000, gid: 2000, mtime: ANCIENT };

/** cap_net_raw+ep as the kernel keeps it (linux/capability.h, revision 2). */
const CAP_NET_RAW = Buffer.from('0100000200200000000000000000000000000000', 'hex');
/** user::rw- user:1000:r-- group::r-- mask::r-- other::--- (linux/posix_acl_xattr.h). */
const ACL_ACCESS = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff',
  'hex',
);

/** Names of files that a careless tool would damage. */
const NON_UTF8 = 'opt/names/caf\xe9-\xff\xfe';
const LONG_NAME = `opt/names/${'deep/'.repeat(30)}${'n'.repeat(200)}`;

/**
 * Packages of many files, which the short runs omit: less than half of the files remain, with everything that is rare.
 */
export const MANY_FILES: readonly string[] = ['adwaita-icon-theme', 'perl-modules-5.36', 'ncurses-term', 'tzdata'];

/** Builds the members of the four layers out of real Debian packages, all but those `without`. */
export async function loadRichImage(without: readonly string[] = []): Promise<RichImage> {
  const packages = await loadDebianFiles(without);
  const [base, plenty] = splitPackages(packages);
  const layers = [baseLayer(base), plentyLayer(base, plenty), oddLayer(base), topLayer(base, plenty)];
  return {
    layers,
    expectedFetches: [1, 1, 2, 2],
    directories: describeDirectories(layers),
    memberCount: layers.reduce((sum, members) => sum + members.length, 0),
  };
}

/** Builds one blob for each layer. */
export async function buildRichLayers(
  image: RichImage,
  compression: LayerCompression,
  folder: string,
): Promise<BuiltLayer[]> {
  const built: BuiltLayer[] = [];
  for (const members of image.layers) built.push(await buildLayer(tarStream(members), compression, folder));
  return built;
}

/** Splits the packages: the second layer gets those that nothing else needs to run, down to half of all files. */
function splitPackages(packages: readonly DebianPackageFiles[]): [Map<string, TarMember>, Map<string, TarMember>] {
  const bulk = new Set(['adwaita-icon-theme', 'ncurses-term', 'perl-modules-5.36']);
  const collect = (wanted: (name: string) => boolean) =>
    new Map(
      packages.filter(({ name }) => wanted(name)).flatMap(({ members }) => members.map((each) => [nameOf(each), each])),
    );
  const plenty = collect((name) => bulk.has(name));
  if (plenty.size > 0) return [collect((name) => !bulk.has(name)), plenty];
  const all = [...collect(() => true)];
  const isBulk = ([name]: [string, TarMember]) => name.startsWith('usr/share/');
  return [new Map(all.filter((each) => !isBulk(each))), new Map(all.filter(isBulk))];
}

/** A layer with an entry for every directory, and with Debian's setuid programs. */
function baseLayer(base: ReadonlyMap<string, TarMember>): TarMember[] {
  const links = ['bin', 'lib', 'lib64', 'sbin'].map((name) => symlink(name, `usr/${name}`));
  const directories = ['usr', 'usr/bin', 'usr/lib', 'usr/lib64', 'usr/sbin', 'etc', 'dev', 'proc', 'sys', 'opt'];
  const members = [
    dir('.', { mtime: ANCIENT }),
    ...directories.filter((name) => !base.has(name)).map((name) => dir(name, { mtime: ANCIENT })),
    dir('tmp', { mode: 0o1777, mtime: ANCIENT }),
    ...links,
    ...base.values(),
    symlink('usr/bin/sh', 'dash'),
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nsailor:x:1000:2000::/tmp:/bin/sh\n'),
    file('etc/group', 'root:x:0:\ncrew:x:2000:\n'),
    file('opt/becomes-directory', 'a file at first', OWNED),
    dir('opt/becomes-link', OWNED),
    file('opt/becomes-link/below', 'goes away with its directory'),
    symlink('opt/becomes-file', 'names'),
    dir('opt/emptied', { ...OWNED, mode: 0o2750 }),
    file('opt/emptied/one', '1'),
    file('opt/emptied/two', '2'),
    file('opt/shared', 'a hard link of a higher layer points here', { ...OWNED, mode: 0o640 }),
  ];
  // The first of several members with one name stays.
  return [...new Map(members.toReversed().map((member) => [nameOf(member), member])).values()].toReversed();
}

/** A layer that names files without their parent directories. */
function plentyLayer(base: ReadonlyMap<string, TarMember>, plenty: ReadonlyMap<string, TarMember>): TarMember[] {
  const withoutDirectories = [...plenty.values()].filter(({ type, name }) => type !== '5' && !base.has(String(name)));
  return [
    ...withoutDirectories,
    file('tmp/left-behind', 'the directory keeps its sticky bit'),
    file('opt/nobody/names/this', 'and nobody names its parents', OWNED),
  ];
}

/** A layer that names files below a symlinked directory, removes some from the layers below, and has rare entries. */
function oddLayer(base: ReadonlyMap<string, TarMember>): TarMember[] {
  const removed = [...base.keys()].filter((name) => /^usr\/share\/(?:zoneinfo\/Z|doc\/[a-d])[^/]*$/.test(name));
  return [
    file('lib/sealift/below-a-link', 'lands in usr/lib', OWNED),
    file('sbin/below-another', '#!/bin/sh\n', { mode: 0o755 }),
    ...removed.map((name) => whiteout(name)),
    whiteout('opt/emptied/one'),
    file('opt/capable', 'not a program', { mode: 0o755, xattrs: { 'security.capability': CAP_NET_RAW } }),
    file('opt/setuid-of-sailor', 'not a program', { ...OWNED, mode: 0o6755, xattrs: { 'user.note': 'kept' } }),
    dir('opt/attributes', { mode: 0o750, mtime: ANCIENT, xattrs: { 'user.empty': '', 'user.raw': '\x00\xff\n' } }),
    file('opt/attributes/acl', '', { mode: 0o640, xattrs: { 'system.posix_acl_access': ACL_ACCESS } }),
    char('opt/null', 1, 3, { mode: 0o666, mtime: ANCIENT }),
    char('opt/big-minor', 10, 300_000, { mode: 0o600, mtime: ANCIENT }),
    block('opt/loop', 7, 200, { mode: 0o660, gid: 6, mtime: ANCIENT }),
    fifo('opt/pipe', { mode: 0o622, mtime: ANCIENT }),
    dir('opt/names', { mtime: ANCIENT }),
    file(NON_UTF8, 'bytes', { mtime: ANCIENT }),
    symlink('opt/names/to-bytes', 'caf\xe9-\xff\xfe', { mtime: ANCIENT }),
    file(LONG_NAME, 'far down', { mtime: ANCIENT }),
    file('opt/names/before the epoch', '', { mtime: { seconds: -2, nanoseconds: 500_000_000 } }),
    file('opt/linked', 'three names', { ...OWNED, mode: 0o600 }),
    hardlink('opt/names/linked', 'opt/linked', { ...OWNED, mode: 0o600 }),
    hardlink('opt/linked-again', 'opt/names/linked', { ...OWNED, mode: 0o600 }),
  ];
}

/** A layer that changes types, hides the content of a directory and links into a lower layer. */
function topLayer(base: ReadonlyMap<string, TarMember>, plenty: ReadonlyMap<string, TarMember>): TarMember[] {
  const hiddenDirectory = findFullDirectory([...plenty.keys(), ...base.keys()]);
  return [
    hardlink('opt/link-into-lower-layer', 'opt/shared', { ...OWNED, mode: 0o640 }),
    dir('opt/becomes-directory', { mode: 0o711, mtime: ANCIENT }),
    file('opt/becomes-directory/inside', 'new'),
    symlink('opt/becomes-link', 'becomes-directory', { mtime: ANCIENT }),
    file('opt/becomes-file', 'no link any more', { mtime: ANCIENT }),
    // The mark may come after what it does not hide.
    file(`${hiddenDirectory}/only-this-is-left`, 'new', { mtime: ANCIENT }),
    opaque(hiddenDirectory),
    dir(hiddenDirectory, { mode: 0o755, mtime: ANCIENT }),
  ];
}

/** The first directory that has some twenty children and no grandchildren. */
function findFullDirectory(paths: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const path of paths.filter((each) => each.startsWith('usr/share/'))) {
    const parent = path.slice(0, path.lastIndexOf('/'));
    counts.set(parent, (counts.get(parent) ?? 0) + 1);
  }
  const isFlat = (directory: string) => ![...counts.keys()].some((each) => each.startsWith(`${directory}/`));
  const found = [...counts].find(([directory, count]) => count >= 20 && isFlat(directory));
  if (found === undefined) throw new Error('no package has a directory of twenty files');
  return found[0];
}

/** Walks through the members in the order in which they are applied. */
function describeDirectories(layers: readonly (readonly TarMember[])[]): DirectoryFacts {
  const declaredTimes = new Map<string, bigint>();
  const made = new Set(['.']);
  const unnamed = new Set<string>();
  const madeAhead = new Set<string>();
  for (const member of layers.flat()) {
    const path = throughLinks(nameOf(member));
    for (const [parent, grandparent] of parentsOf(path)) {
      if (made.has(parent)) continue;
      made.add(parent);
      unnamed.add(parent);
      madeAhead.add(grandparent);
    }
    if (member.type !== '5') continue;
    made.add(path);
    unnamed.delete(path);
    const { seconds = 0, nanoseconds = 0 } = member.mtime ?? {};
    declaredTimes.set(path, BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));
  }
  return { declaredTimes, unnamed, madeAhead };
}

/** The links at the root are directories of /usr. */
function throughLinks(path: string): string {
  return /^(?:bin|lib|lib64|sbin)\//.test(path) ? `usr/${path}` : path;
}

/** Outermost first, each with its own parent. */
function parentsOf(path: string): [parent: string, grandparent: string][] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => {
    const parent = parts.slice(0, index + 1).join('/');
    return [parent, index === 0 ? '.' : parts.slice(0, index).join('/')];
  });
}

function nameOf({ name }: TarMember): string {
  return (typeof name === 'string' ? name : Buffer.from(name).toString('latin1')).replace(/\/$/, '');
}
