import { SealiftError } from '../../errors/index.ts';
import { decodeDocument } from '../decode-document.ts';
import { parseKernelCommandLine } from './parse-kernel-command-line.ts';

/** A time-out of the kata agent, and the source that sets it. */
export interface AgentTimeout {
  /** `agent.image_pull_timeout` */
  readonly key: string;
  readonly seconds: number;
  /** `default`, `kernel command line` or `file /etc/kata-agent.toml` */
  readonly origin: string;
  /** Why the configured value does not count; undefined: it counts. */
  readonly problem: string | undefined;
}

export interface AgentTimeouts {
  /** The time from the start of the daemon until it has its socket. */
  readonly launch: AgentTimeout;
  /** The time for the preparation of the image store. */
  readonly mount: AgentTimeout;
  /** The time for one pull. */
  readonly pull: AgentTimeout;
}

/** https://github.com/kata-containers/kata-containers/blob/main/src/agent/src/config.rs */
const DEFAULTS = {
  launch: ['launch_process_timeout', 6],
  mount: ['cdh_api_timeout', 50],
  pull: ['image_pull_timeout', 1_200],
} as const;

interface AgentFile {
  readonly path: string;
  readonly text: string | undefined;
}

interface AgentTexts {
  /** The text of /proc/cmdline. */
  readonly kernelCommandLine: string;
  /** The file at `locateAgentFile`; undefined: the command line names none. */
  readonly agentFile: AgentFile | undefined;
}

/** Returns the file that the kernel command line names for the agent's settings; its other words do not count then. */
export function locateAgentFile(kernelCommandLine: string): string | undefined {
  return parseKernelCommandLine(kernelCommandLine).get('agent.config_file');
}

/** Returns the time-outs that hold in this guest. A file that cannot be parsed is a problem of each. */
export function resolveAgentTimeouts({ kernelCommandLine, agentFile }: AgentTexts): AgentTimeouts {
  const read = agentFile === undefined ? fromCommandLine(kernelCommandLine) : fromFile(agentFile);
  const resolve = (name: keyof typeof DEFAULTS): AgentTimeout => {
    const [option, seconds] = DEFAULTS[name];
    return { key: `agent.${option}`, seconds, origin: 'default', problem: undefined, ...read(option) };
  };
  return { launch: resolve('launch'), mount: resolve('mount'), pull: resolve('pull') };
}

type Read = (option: string) => Partial<Pick<AgentTimeout, 'seconds' | 'origin' | 'problem'>>;

function fromCommandLine(kernelCommandLine: string): Read {
  const words = parseKernelCommandLine(kernelCommandLine);
  const origin = 'kernel command line';
  return (option) => {
    const value = words.get(`agent.${option}`);
    // The agent ignores a zero.
    if (value === undefined || /^0+$/.test(value)) return {};
    if (!/^\+?[0-9]{1,9}$/.test(value)) return { origin, problem: 'expected whole seconds; the agent does not start' };
    return { origin, seconds: Number(value) };
  };
}

/** Durations are tables in this file: `image_pull_timeout = { secs = 1200, nanos = 0 }`. */
function fromFile({ path, text }: AgentFile): Read {
  const origin = `file ${path}`;
  if (text === undefined) return () => ({ origin, problem: 'cannot be read; the agent does not start' });
  const document = decode(text, path);
  if (typeof document !== 'object' || document === null) return () => ({ origin, problem: 'expected TOML' });
  return (option) => {
    const value: unknown = Reflect.get(document, option);
    if (value === undefined) return {};
    const seconds: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'secs') : undefined;
    if (typeof seconds !== 'number') return { origin, problem: 'expected { secs = SECONDS, nanos = 0 }' };
    return { origin, seconds };
  };
}

function decode(text: string, path: string): unknown {
  try {
    return decodeDocument(text, path);
  } catch (error) {
    if (error instanceof SealiftError) return undefined;
    throw error;
  }
}
