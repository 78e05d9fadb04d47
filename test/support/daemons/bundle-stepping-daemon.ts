import { fileURLToPath } from 'node:url';
import type { OutputFile } from 'esbuild';
import { bundleSources } from '../programs/bundle-sources.ts';

/** The files to run; the others belong beside them. */
export const STEPPING_DAEMON = 'sealiftd.mjs';
export const STEPPING_CLI = 'sealift.mjs';
/** The options with which `scripts/build-launcher.ts` starts the shipped daemon. */
export const NODE_OPTIONS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
export const LAUNCH_ENVIRONMENT = { MALLOC_ARENA_MAX: '1' };

/** The daemon with its checkpoints and its worker, built from the sources as they are, for a folder. */
export function bundleSteppingDaemon(folder: string): Promise<readonly OutputFile[]> {
  return bundle(
    { sealiftd: '../entries/stepping-daemon-entry.ts', worker: '../entries/stepping-worker-entry.ts' },
    folder,
  );
}

/** Builds the CLI with its checkpoints in the same way. */
export function bundleSteppingCli(folder: string): Promise<readonly OutputFile[]> {
  return bundle({ sealift: '../entries/stepping-cli-entry.ts', worker: '../entries/stepping-worker-entry.ts' }, folder);
}

function bundle(entries: Readonly<Record<string, string>>, folder: string): Promise<readonly OutputFile[]> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  return bundleSources(Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, path(entry)])), folder);
}
