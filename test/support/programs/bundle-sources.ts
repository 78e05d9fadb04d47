import { build, type OutputFile } from 'esbuild';
import { BUNDLE_OPTIONS } from '../../../scripts/bundle-plugins.ts';

/** Programs and workers of this tree, by name, as bundles for `folder` with the chunks that they share; writes nothing. */
export async function bundleSources(
  entries: Readonly<Record<string, string>>,
  folder: string,
): Promise<readonly OutputFile[]> {
  const { outputFiles } = await build({
    ...BUNDLE_OPTIONS,
    entryPoints: { ...entries },
    outdir: folder,
    write: false,
  });
  return outputFiles;
}
