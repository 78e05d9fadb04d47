import { type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface CommandResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CommandOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> {
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal;
}

export const IS_ROOT = process.getuid?.() === 0;

/** Runs a command to its end, whatever its exit code is; a signal counts as 128 and its absence of a number as −1. */
export function runCommand(
  command: string,
  parameters: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { input, ...spawnOptions } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { ...spawnOptions, stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code: code ?? -1, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

/** Like `runCommand`, but fails with the command's output unless the exit code is 0. */
export async function mustRun(
  command: string,
  parameters: readonly string[],
  options: CommandOptions = {},
): Promise<Buffer> {
  const { code, stdout, stderr } = await runCommand(command, parameters, options);
  if (code !== 0) throw new Error(`${command} ${parameters.join(' ')}: exit code ${code}\n${stderr}`);
  return stdout;
}

/** Whether `command` lies in PATH or where Debian keeps what only root uses. */
export function hasCommand(command: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/bin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
