import { spawn } from 'node:child_process';
import type { Step } from './contender.ts';

export interface StepResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in a process group of its own, which the signal ends as a whole. */
export function runStep(step: Step, onStart: (pid: number) => void, signal: AbortSignal): Promise<StepResult> {
  const [command, ...parameters] = step.command;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...withoutSettings(process.env), ...step.env },
    });
    const { pid } = child;
    if (pid !== undefined) onStart(pid);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    const kill = (): void => {
      if (pid !== undefined && child.exitCode === null) process.kill(-pid, 'SIGKILL');
    };
    signal.addEventListener('abort', kill, { once: true });
    child.once('error', reject);
    child.once('close', (code) => {
      signal.removeEventListener('abort', kill);
      if (signal.aborted) return reject(signal.reason);
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
  });
}

/** The user's own Sealift settings must not change the comparison. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(SEALIFT|NODE)_/.test(name)));
}
