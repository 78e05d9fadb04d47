import { createReadStream, createWriteStream, lstatSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { type Header, type Pack, pack } from 'tar-stream';

export interface ArchiveOptions {
  readonly folder: string;
  readonly target: string;
  readonly compressionLevel: number;
  readonly modificationTime: Date;
}

/** Writes `folder` and all below it in the order of names, owned by root; returns the bytes of its files. */
export async function writeArchive(options: ArchiveOptions): Promise<number> {
  const { folder, target, compressionLevel, modificationTime } = options;
  const archive = pack();
  const compress = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: compressionLevel, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  const [bytes] = await Promise.all([
    addEntries(archive, folder, modificationTime),
    pipeline(archive, compress, createWriteStream(target)),
  ]);
  return bytes;
}

async function addEntries(archive: Pack, folder: string, mtime: Date): Promise<number> {
  const parent = dirname(folder);
  const names = [basename(folder), ...listBelow(folder)].sort();
  let bytes = 0;
  for (const name of names) {
    const path = join(parent, name);
    const header = describeEntry(name, path, mtime);
    if (header.type === 'directory') archive.entry(header);
    else await pipeline(createReadStream(path), archive.entry(header));
    bytes += header.size ?? 0;
  }
  archive.finalize();
  return bytes;
}

function listBelow(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.map((name) => join(basename(folder), name));
}

/** Modes do not depend on the umask of the build. */
function describeEntry(name: string, path: string, mtime: Date): Partial<Header> & Pick<Header, 'name'> {
  const status = lstatSync(path);
  const owner = { mtime, uid: 0, gid: 0, uname: 'root', gname: 'root' };
  if (status.isDirectory()) return { ...owner, name: `${name}/`, type: 'directory', mode: 0o755 };
  if (!status.isFile()) throw new Error(`${path} is neither a file nor a folder`);
  return { ...owner, name, type: 'file', size: status.size, mode: status.mode & 0o100 ? 0o755 : 0o644 };
}
