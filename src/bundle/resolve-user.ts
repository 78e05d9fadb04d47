import { SealiftError } from '../errors/index.ts';
import { type Limits, limitExceeded } from '../limits/index.ts';
import type { ResolvedUser } from './types.ts';

/** The texts of the image's /etc/passwd and /etc/group, undefined when absent. Both are attacker-controlled. */
export interface UserDatabase {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

/** The largest id that containerd and moby accept; the largest id of the kernel means "no id". */
const MAX_ID = 2 ** 31 - 1;

const NEWLINE = 0x0a;
const HASH_SIGN = 0x23;

function refuse(what: string, expected: string): never {
  throw new SealiftError('BUNDLE_USER_INVALID', `${what}: expected ${expected}`);
}

/** True for digits, which are a number and never a name, even out of range (CVE-2024-40635, CVE-2026-46680). */
function looksNumeric(text: string): boolean {
  return /^[+-]?[0-9]/.test(text) && !/[^0-9+-]/.test(text);
}

function parseId(text: string, what: string): number {
  const id = /^[0-9]{1,20}$/.test(text) ? Number(text) : Number.NaN;
  return id <= MAX_ID ? id : refuse(`${what} "${text}"`, `a number from 0 to ${MAX_ID}`);
}

/**
 * Yields the lines of a file that say something: no empty line and no comment. A line that is too long is refused. The
 * text is never split as a whole: 10 MiB can be ten million lines.
 */
function* records(text: string | undefined, file: string, maxLineBytes: number): Generator<string> {
  if (text === undefined) return;
  for (let start = 0; start < text.length; ) {
    const first = text.charCodeAt(start);
    if (first === NEWLINE) {
      start += 1;
      continue;
    }
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    if (end - start > maxLineBytes) {
      const excess = { limit: 'maxUserDatabaseLineBytes', expected: maxLineBytes, actual: end - start } as const;
      throw limitExceeded(`${file}: characters of a line`, excess);
    }
    if (first !== HASH_SIGN) yield text.slice(start, end);
    start = end + 1;
  }
}

/** Returns the fields of a line of /etc/passwd or /etc/group; what follows the sixth is left out. */
function fieldsOf(line: string): readonly string[] {
  return line.split(':', 6);
}

/** True if the first field of the line is `name`. */
function isNamed(line: string, name: string): boolean {
  return line.startsWith(name) && (line.length === name.length || line[name.length] === ':');
}

/** Returns the third field, which is the id of a user, without reading the fields behind it. */
function thirdField(line: string): string {
  const second = line.indexOf(':') + 1;
  const third = second === 0 ? 0 : line.indexOf(':', second) + 1;
  if (third === 0) return '';
  const end = line.indexOf(':', third);
  return end === -1 ? line.slice(third) : line.slice(third, end);
}

/** True if a comma separates `name` from the other members. A member is compared only when its length is right. */
function isMember(members: string, name: string): boolean {
  for (let start = 0; start <= members.length; ) {
    const comma = members.indexOf(',', start);
    const end = comma === -1 ? members.length : comma;
    if (end - start === name.length && members.startsWith(name, start)) return true;
    start = end + 1;
  }
  return false;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string | undefined;
}

/** Returns the first entry that `matches`. Its ids must be valid; an empty field does not mean 0. */
function findPasswd(
  { passwd }: UserDatabase,
  limits: Limits,
  matches: (line: string) => boolean,
): PasswdEntry | undefined {
  for (const line of records(passwd, '/etc/passwd', limits.maxUserDatabaseLineBytes)) {
    if (!matches(line)) continue;
    const [name = '', , uid = '', gid = '', , home = ''] = fieldsOf(line);
    return {
      name,
      uid: parseId(uid, `/etc/passwd: uid of ${name}`),
      gid: parseId(gid, `/etc/passwd: gid of ${name}`),
      home: home.startsWith('/') && !home.includes('\0') ? home : undefined,
    };
  }
  return undefined;
}

function findPasswdByUid(database: UserDatabase, limits: Limits, uid: number): PasswdEntry | undefined {
  return findPasswd(database, limits, (line) => {
    const text = thirdField(line);
    return /^[0-9]{1,20}$/.test(text) && Number(text) === uid;
  });
}

function resolveGroup(database: UserDatabase, limits: Limits, group: string): number {
  if (looksNumeric(group)) return parseId(group, 'group');
  for (const line of records(database.group, '/etc/group', limits.maxUserDatabaseLineBytes)) {
    if (isNamed(line, group)) return parseId(thirdField(line), `/etc/group: gid of ${group}`);
  }
  return refuse(`group "${group}"`, 'a group of the image’s /etc/group');
}

/** Returns the groups that list `name` as a member, in file order, without the primary group. */
function additionalGroups(
  database: UserDatabase,
  limits: Limits,
  { name, gid: primary }: PasswdEntry,
): readonly number[] {
  const gids = new Set<number>();
  if (name === '') return [];
  for (const line of records(database.group, '/etc/group', limits.maxUserDatabaseLineBytes)) {
    const [group, , gid = '', members = ''] = fieldsOf(line);
    if (isMember(members, name)) gids.add(parseId(gid, `/etc/group: gid of ${group}`));
    if (gids.size > limits.maxAdditionalGroups) {
      const { maxAdditionalGroups: expected } = limits;
      throw limitExceeded(`user "${name}": groups`, { limit: 'maxAdditionalGroups', expected, actual: gids.size });
    }
  }
  gids.delete(primary);
  return [...gids];
}

/** Returns the entry for the user part. A number needs no entry; its group is then 0. */
function resolveUserPart(database: UserDatabase, limits: Limits, user: string): PasswdEntry {
  if (looksNumeric(user)) {
    const uid = parseId(user, 'user');
    return findPasswdByUid(database, limits, uid) ?? { name: '', uid, gid: 0, home: undefined };
  }
  const entry = findPasswd(database, limits, (line) => isNamed(line, user));
  return entry ?? refuse(`user "${user}"`, 'a user of the image’s /etc/passwd');
}

/**
 * Resolves `user|uid[:group|gid]` in the image. Throws `BUNDLE_USER_INVALID` for anything unknown. The user's own and
 * supplementary groups apply only without an explicit group; an empty user is 0:0.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties (User)
 */
export function resolveUser(unsafeUser: string, database: UserDatabase, limits: Limits): ResolvedUser {
  if (unsafeUser === '') {
    const home = findPasswdByUid(database, limits, 0)?.home;
    return { uid: 0, gid: 0, additionalGids: [], home };
  }
  const [user = '', group, ...rest] = unsafeUser.split(':');
  if (user === '' || group === '' || rest.length > 0) refuse(`user "${unsafeUser}"`, 'USER or USER:GROUP');
  const entry = resolveUserPart(database, limits, user);
  const { uid, home } = entry;
  if (group !== undefined) return { uid, gid: resolveGroup(database, limits, group), additionalGids: [], home };
  return { uid, gid: entry.gid, additionalGids: additionalGroups(database, limits, entry), home };
}
