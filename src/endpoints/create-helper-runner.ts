import type { Environment } from '../config/index.ts';
import type { Limits } from '../limits/index.ts';
import { createCommandRunner } from '../platform/index.ts';
import type { RunHelper } from '../registry/index.ts';

/** Helpers are found like programs of a shell, and run with the environment of the user whose keychain they open. */
export function createHelperRunner(environment: Environment, limits: Limits): RunHelper {
  const { credentialHelperTimeoutMs: timeoutMs, maxProgramOutputBytes: maxOutputBytes } = limits;
  const folders = (environment['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const commands = createCommandRunner({ folders, environment, maxOutputBytes });
  return (program, stdin) => commands.start({ program, parameters: ['get'], stdin, timeoutMs }).end;
}
