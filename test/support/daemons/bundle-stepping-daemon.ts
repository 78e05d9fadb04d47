import { fileURLToPath } from 'node:url';
import { build, type OutputFile } from 'esbuild';

/** The files to run; the others belong beside them. */
export const STEPPING_DAEMON = 'sealiftd.mjs';
export const STEPPING_CLI = 'sealift.mjs';
/** As `scripts/build-launcher.ts` starts the shipped one. */
export const NODE_OPTIONS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
export const LAUNCH_ENVIRONMENT = { MALLOC_ARENA_MAX: '1' };

/** The daemon with its checkpoints and its worker, built from the sources as they are, for a folder. */
export function bundleSteppingDaemon(folder: string): Promise<readonly OutputFile[]> {
  return bundle(
    { sealiftd: '../entries/stepping-daemon-entry.ts', worker: '../entries/stepping-worker-entry.ts' },
    folder,
  );
}

/** The same of the CLI. */
export function bundleSteppingCli(folder: string): Promise<readonly OutputFile[]> {
  return bundle({ sealift: '../entries/stepping-cli-entry.ts', worker: '../entries/stepping-worker-entry.ts' }, folder);
}

async function bundle(entries: Readonly<Record<string, string>>, folder: string): Promise<readonly OutputFile[]> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, path(entry)])),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    minifyWhitespace: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    // Packages in CommonJS call `require` for Node's own modules.
    banner: { js: "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);" },
    logLevel: 'warning',
  });
  return outputFiles;
}
