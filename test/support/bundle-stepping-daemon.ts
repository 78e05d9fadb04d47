import { fileURLToPath } from 'node:url';
import { build, type OutputFile } from 'esbuild';

/** The file to run; the others belong beside it. */
export const STEPPING_DAEMON = 'sealiftd.mjs';
/** As `scripts/build-launcher.ts` starts the shipped one. */
export const NODE_OPTIONS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
export const LAUNCH_ENVIRONMENT = { MALLOC_ARENA_MAX: '1' };

/** The daemon with its checkpoints and its worker, built from the sources as they are, for a folder. */
export async function bundleSteppingDaemon(folder: string): Promise<readonly OutputFile[]> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: { sealiftd: path('./stepping-daemon-entry.ts'), worker: path('./stepping-worker-entry.ts') },
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
