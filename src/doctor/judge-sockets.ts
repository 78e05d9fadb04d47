import { ok } from './checks.ts';
import type { SocketFinding } from './daemon-types.ts';
import type { Check } from './types.ts';

const NAME = 'daemon-sockets';
const NOT_FOR_OTHERS = 0o077;

type Verdict = Pick<Check, 'status' | 'detail' | 'remedy'>;

/** The worst of them. */
export function judgeSockets(sockets: readonly SocketFinding[]): Check {
  const verdicts = sockets.map(judgeSocket).filter((verdict) => verdict !== undefined);
  const worst = verdicts.find(({ status }) => status === 'fail') ?? verdicts[0];
  if (worst !== undefined) return { name: NAME, ...worst };
  return ok(NAME, `sealiftd answers on ${sockets.map(({ path }) => path).join(', ')}`);
}

function judgeSocket({ path, facts, server }: SocketFinding): Verdict | undefined {
  if (facts.kind === 'absent') {
    return warn(
      `${path} is not there: no daemon serves it`,
      'start sealiftd; name its configuration with -c, where its sockets are others',
    );
  }
  if (facts.kind !== 'socket') {
    return fail(`${path} is no socket`, 'remove it, or configure another path (api.sockets)');
  }
  return judgeServer(path, server) ?? judgeMode(path, facts);
}

function judgeServer(path: string, server: SocketFinding['server']): Verdict | undefined {
  switch (server) {
    case 'none':
      return warn(
        `${path} is left of a daemon that was killed: nobody answers`,
        'start sealiftd again, which takes its place; a kata agent does not, so that its pod has to be started anew',
      );
    case 'silent':
      return fail(
        `${path}: somebody listens and does not answer`,
        'look at the log of the daemon, and at its CPU time',
      );
    case 'other':
      return fail(
        `${path} is served by another program than sealiftd`,
        'stop that one (a confidential-data-hub?), or configure another path (api.sockets)',
      );
    default:
      return undefined;
  }
}

/** Who can connect has images pulled and disks formatted. */
function judgeMode(path: string, { owner, mode }: { readonly owner: number; readonly mode: number }) {
  if (owner === 0 && (mode & NOT_FOR_OTHERS) === 0) return undefined;
  return warn(
    `${path} can be used by others than root: owner ${owner}, mode ${mode.toString(8).padStart(4, '0')}`,
    `chown root ${path}; chmod 600 ${path}: who connects has images pulled and disks formatted`,
  );
}

function warn(detail: string, remedy: string): Verdict {
  return { status: 'warn', detail, remedy };
}

function fail(detail: string, remedy: string): Verdict {
  return { status: 'fail', detail, remedy };
}
