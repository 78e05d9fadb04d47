import { build, type OutputFile } from 'esbuild';
import { BUNDLE_DEFINES, BUNDLE_PLUGINS } from '../../../scripts/bundle-plugins.ts';

/** Programs and workers of this tree, by name, as bundles for `folder` with the chunks that they share; writes nothing. */
export async function bundleSources(
  entries: Readonly<Record<string, string>>,
  folder: string,
): Promise<readonly OutputFile[]> {
  const { outputFiles } = await build({
    entryPoints: { ...entries },
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
    banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
    define: BUNDLE_DEFINES,
    plugins: BUNDLE_PLUGINS,
    logLevel: 'warning',
  });
  return outputFiles;
}
