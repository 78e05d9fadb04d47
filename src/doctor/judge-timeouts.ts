import type { AgentTimeout, AgentTimeouts } from '../config/index.ts';
import { ok } from './checks.ts';
import type { Check } from './types.ts';

/** The defaults of the runtime (create_container_timeout) and the kubelet (runtimeRequestTimeout), which a guest cannot see. */
const RUNTIME_SECONDS = 60;
const KUBELET_SECONDS = 120;
/** On a slow CPU the socket exists after two seconds, and a disk of 250 GiB is prepared after eight. */
const MIN_LAUNCH_SECONDS = 4;
const MIN_MOUNT_SECONDS = 20;

const WHERE =
  'on the kernel command line (annotation io.katacontainers.config.hypervisor.kernel_params, or kernel_params)';

/** Checks the time-outs of the kata agent, and names those that a slow pull would hit. */
export function judgeTimeouts({ launch, mount, pull }: AgentTimeouts): readonly Check[] {
  return [
    judge('launch-timeout', launch, {
      least: MIN_LAUNCH_SECONDS,
      enough: 6,
      detail: `the agent waits ${describeTimeout(launch)} for the socket; if it exists later, pulls fail`,
    }),
    judge('mount-timeout', mount, {
      least: MIN_MOUNT_SECONDS,
      enough: 50,
      detail: `the agent waits ${describeTimeout(mount)} for the image store to be prepared`,
    }),
    judge('pull-timeout', pull, {
      least: KUBELET_SECONDS,
      enough: 1_200,
      detail:
        `the agent waits ${describeTimeout(pull)} for a pull; on the host the runtime gives up after ${RUNTIME_SECONDS} s ` +
        `unless create_container_timeout is set (annotation io.katacontainers.config.runtime.create_container_timeout), ` +
        `the kubelet after ${KUBELET_SECONDS} s unless runtimeRequestTimeout is. The smallest counts; ` +
        'layers that are finished by then are kept, and the next try continues from there',
    }),
  ];
}

interface Words {
  readonly least: number;
  /** The value that the remedy proposes. */
  readonly enough: number;
  readonly detail: string;
}

function judge(name: string, timeout: AgentTimeout, { least, enough, detail }: Words): Check {
  const { key, seconds, origin, problem } = timeout;
  const remedy = `set ${key}=${enough} ${WHERE}`;
  if (problem !== undefined) return { name, status: 'fail', detail: `${origin}: ${key}: ${problem}`, remedy };
  return seconds < least ? { name, status: 'warn', detail, remedy } : ok(name, detail);
}

function describeTimeout({ seconds, origin }: AgentTimeout): string {
  return `${seconds} s (${origin})`;
}
