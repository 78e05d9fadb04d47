import { SealiftError } from '../errors/index.ts';
import type { TarMember } from './types.ts';

function invalid(name: string, what: string): SealiftError {
  return new SealiftError('ARCHIVE_INVALID', `archive: member ${name}: ${what}`, { context: { member: name } });
}

/** Returns `a/b` for `./a//b/`, and undefined for a path whose `..` leads above its start. */
function cleanPath(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}

/**
 * The members of a tar by name. A name that occurs twice is refused when it is asked for: a program that unpacks the
 * tar uses the last member, a program that stops early uses the first.
 */
export class MemberTable {
  readonly #byName = new Map<string, TarMember[]>();

  /** Throws `ARCHIVE_INVALID` for a name that leads out of the archive. */
  constructor(members: readonly TarMember[]) {
    for (const member of members) {
      const name = cleanPath(member.name);
      if (name === undefined) throw invalid(member.name, 'expected a name inside the archive');
      const known = this.#byName.get(name);
      if (known === undefined) this.#byName.set(name, [member]);
      else known.push(member);
    }
  }

  /**
   * Returns the file that a path names, undefined for none. At most one link is followed, as containers/image does:
   * `docker save` writes one for a layer that several images share. Throws `ARCHIVE_INVALID`.
   */
  findFile(path: string): TarMember | undefined {
    const name = cleanPath(path);
    if (name === undefined) throw invalid(path, 'expected a name inside the archive');
    const member = this.#find(name);
    if (member === undefined || member.kind === 'file') return member;
    const target = this.#find(linkTarget(name, member));
    if (target === undefined || target.kind === 'file') return target;
    throw invalid(name, 'expected a link to a file, got one to something else');
  }

  #find(name: string): TarMember | undefined {
    const [member, ...others] = this.#byName.get(name) ?? [];
    if (others.length === 0) return member;
    throw invalid(name, `expected one member of that name, got ${others.length + 1}`);
  }
}

/** Resolves a link: a symlink's target is relative to its directory, a hard link's to the root of the archive. */
function linkTarget(name: string, { kind, target }: TarMember): string {
  if (kind === 'other') throw invalid(name, 'expected a regular file');
  const folder = kind === 'symlink' ? name.slice(0, name.lastIndexOf('/') + 1) : '';
  const path = target.startsWith('/') ? undefined : cleanPath(`${folder}${target}`);
  if (path === undefined) throw invalid(name, `expected a link inside the archive, got one to ${target}`);
  return path;
}
