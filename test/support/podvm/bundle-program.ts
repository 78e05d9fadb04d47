import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** A program of this tree as one file for the guest's Node; `path` counts from the root of the project. */
export async function bundleProgram(path: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(new URL('../../..', import.meta.url)),
    entryPoints: [path],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    minifyWhitespace: true,
    // Packages in CommonJS call `require` for Node's own modules.
    banner: { js: "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);" },
  });
  const [bundle] = outputFiles;
  if (bundle === undefined) throw new Error(`esbuild made nothing of ${path}`);
  return bundle.contents;
}
