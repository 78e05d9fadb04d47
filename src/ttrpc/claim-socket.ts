import { chmodSync, linkSync, lstatSync, mkdirSync, rmSync, type Stats } from 'node:fs';
import { createConnection, type Server } from 'node:net';
import { dirname, isAbsolute, join } from 'node:path';
import { SealiftError } from '../errors/index.ts';

/** `sun_path` of https://man7.org/linux/man-pages/man7/unix.7.html without its NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
/** The number of clients that may wait for accept(2); the kernel refuses further ones. It takes no larger number. */
const MAX_BACKLOG = 4_096;

export interface SocketClaim {
  /** Removes the socket file, unless another file has taken its path. */
  release(): void;
}

/**
 * Makes `server` listen at `path`. The socket file appears only when the server accepts connections, because clients
 * wait for the file. A socket that no server answers on is replaced; any other file is refused. Throws
 * `TTRPC_SOCKET_INVALID`.
 */
export async function claimSocket(server: Server, path: string): Promise<SocketClaim> {
  // It only has to be new: listen(2) refuses a path that is taken.
  const temporary = join(dirname(path), `.${Math.random().toString(16).slice(2, 8)}`);
  assertUsable(path, temporary);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await removeStale(path);
    await listen(server, temporary);
    try {
      chmodSync(temporary, 0o600);
      // Unlike a rename, a link does not replace a file that was created meanwhile.
      linkSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
  } catch (cause) {
    server.close();
    if (cause instanceof SealiftError) throw cause;
    throw refused(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  const made = lstatSync(path);
  return { release: () => removeOwn(path, made) };
}

function assertUsable(path: string, temporary: string): void {
  if (!isAbsolute(path)) throw refused(path, 'expected an absolute path');
  const length = Math.max(Buffer.byteLength(path), Buffer.byteLength(temporary));
  if (length > MAX_SOCKET_PATH_BYTES) {
    throw refused(path, `expected at most ${MAX_SOCKET_PATH_BYTES} bytes, got ${length}`);
  }
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw refused(path, 'expected a socket or nothing, got another file');
  if (await isAnswered(path)) throw refused(path, 'expected no running server, got one that accepts connections');
  removeOwn(path, found);
}

function removeOwn(path: string, own: Stats): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.ino === own.ino && found.dev === own.dev) rmSync(path, { force: true });
}

/** True unless the connection is refused: a server that is too busy to accept it is running, too. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (isLiving: boolean) => {
      socket.destroy();
      resolve(isLiving);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, backlog: MAX_BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function refused(path: string, reason: string, cause?: unknown): SealiftError {
  return new SealiftError('TTRPC_SOCKET_INVALID', `socket ${path}: ${reason}`, { context: { path }, cause });
}
