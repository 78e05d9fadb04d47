import { ok } from './checks.ts';
import type { SocketFinding } from './daemon-types.ts';
import type { Check } from './types.ts';

const NAME = 'daemon-sockets';
const NOT_FOR_OTHERS = 0o077;

type Verdict = Pick<Check, 'status' | 'detail' | 'remedy'>;

/** Returns one check of all sockets: the worst finding. */
export function judgeSockets(sockets: readonly SocketFinding[]): Check {
  const verdicts = sockets.map(judgeSocket).filter((verdict) => verdict !== undefined);
  const worst = verdicts.find(({ status }) => status === 'fail') ?? verdicts[0];
  if (worst !== undefined) return { name: NAME, ...worst };
  return ok(NAME, `sealiftd answers on ${sockets.map(({ path }) => path).join(', ')}`);
}

function judgeSocket({ path, facts, server }: SocketFinding): Verdict | undefined {
  if (facts.kind === 'absent') {
    return warn(
      `${path} does not exist: no daemon serves it`,
      'start sealiftd; name its configuration with -c if it has other sockets',
    );
  }
  if (facts.kind !== 'socket') {
    return fail(`${path} is not a socket`, 'remove it, or configure another path (api.sockets)');
  }
  return judgeServer(path, server) ?? judgeMode(path, facts);
}

function judgeServer(path: string, server: SocketFinding['server']): Verdict | undefined {
  switch (server) {
    case 'none':
      return warn(
        `${path} is left over from a daemon that was killed: no process answers`,
        'start sealiftd again; the kata agent does not connect again, so start the pod again',
      );
    case 'silent':
      return fail(`${path}: a process listens and does not answer`, 'check the log of the daemon, and its CPU time');
    case 'other':
      return fail(
        `${path} is served by another program than sealiftd`,
        'stop that program (a confidential-data-hub?), or configure another path (api.sockets)',
      );
    default:
      return undefined;
  }
}

/** Any process that can connect can pull images and format disks. */
function judgeMode(path: string, { owner, mode }: { readonly owner: number; readonly mode: number }) {
  if (owner === 0 && (mode & NOT_FOR_OTHERS) === 0) return undefined;
  return warn(
    `${path} can be used by other users than root: owner ${owner}, mode ${mode.toString(8).padStart(4, '0')}`,
    `chown root ${path}; chmod 600 ${path}: a process that connects can pull images and format disks`,
  );
}

function warn(detail: string, remedy: string): Verdict {
  return { status: 'warn', detail, remedy };
}

function fail(detail: string, remedy: string): Verdict {
  return { status: 'fail', detail, remedy };
}
