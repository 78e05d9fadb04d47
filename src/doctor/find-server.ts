import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { attempt } from '../platform/index.ts';

const UNIX_SOCKETS = '/proc/net/unix';
/** The flag of a socket that listens: __SO_ACCEPTCON. https://man7.org/linux/man-pages/man5/proc_pid_net.5.html */
const LISTENS = 0x10000;

/** Returns the process that listens on a unix socket; undefined: none, several, or one that may not be inspected. */
export function findServer(socketPath: string): number | undefined {
  const links = findListeners(readFileSync(UNIX_SOCKETS).toString('utf8'), socketPath);
  if (links.size === 0) return undefined;
  const processes = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  const [found, other] = processes.filter((pid) => holdsAny(pid, links));
  return found === undefined || other !== undefined ? undefined : Number(found);
}

/** `ffff…: 00000002 00000000 00010000 0001 01 28674 /run/x.sock` */
function findListeners(table: string, socketPath: string): ReadonlySet<string> {
  const links = new Set<string>();
  for (const line of table.split('\n')) {
    const [, , , flags = '', , , inode, ...path] = line.split(/ +/);
    if ((Number.parseInt(flags, 16) & LISTENS) === 0 || !isNameOf(path.join(' '), socketPath)) continue;
    links.add(`socket:[${inode}]`);
  }
  return links;
}

/** The kernel keeps the name that a socket was bound to. A daemon binds it to another name in the folder and renames it. */
function isNameOf(bound: string, socketPath: string): boolean {
  const folder = `${dirname(socketPath)}/`;
  return bound === socketPath || (bound.startsWith(folder) && /^\.[0-9a-f]{6}$/.test(bound.slice(folder.length)));
}

function holdsAny(pid: string, links: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`;
  const descriptors = attempt(() => readdirSync(folder)).value ?? [];
  return descriptors.some((fd) => links.has(attempt(() => readlinkSync(`${folder}/${fd}`)).value ?? ''));
}
