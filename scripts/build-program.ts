import { chmodSync, copyFileSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { formatLauncher } from './build-launcher.ts';
import { BUNDLE_OPTIONS } from './bundle-plugins.ts';
import { copyIsal } from './distribution/isal.ts';

const PROGRAMS = [
  { name: 'sealift', source: 'src/bin/sealift.ts', environment: 'measured' },
  { name: 'sealiftd', source: 'src/bin/sealiftd.ts', environment: 'unmeasured' },
] as const;
const WORKER = { name: 'worker', source: 'src/compose/worker.ts' };

export interface BuiltProgram {
  /** Folders of the npm packages in the output: the bundled ones, and Node's. */
  readonly packages: readonly string[];
  /** Why there is no libisal in the output, if there should be one; zlib inflates then. */
  readonly lacksIsal: string | undefined;
}

/**
 * Makes the launchers in `output`, with their bundles, the worker, Node and libisal in `output/lib`; the same sources give the
 * same bytes. That is why no compile cache comes along, which would save a fifth of the start: V8 never writes one twice
 * alike (docs/adr/0018-launchers.md).
 */
export async function buildProgram(root: string, output: string): Promise<BuiltProgram> {
  const lib = join(output, 'lib');
  rmSync(lib, { recursive: true, force: true });
  mkdirSync(lib, { recursive: true });
  const packages: string[] = [];
  // Each is bundled for itself: what two of them share is loaded twice anyway, and in fewer and larger pieces.
  for (const { name, source } of [...PROGRAMS, WORKER]) {
    const { metafile } = await build({
      ...BUNDLE_OPTIONS,
      absWorkingDir: root,
      entryPoints: { [name]: source },
      outdir: lib,
      chunkNames: `${name}-[name]-[hash]`,
      minifySyntax: true,
      legalComments: 'eof',
      metafile: true,
    });
    packages.push(...listPackages(metafile));
  }
  const nodePackage = locateNodePackage(root);
  linkOrCopy(join(nodePackage, 'bin/node'), join(lib, 'node'));
  for (const program of PROGRAMS) {
    // The first line of the entry names the machine's Node, not the shipped one.
    chmodSync(join(lib, `${program.name}.mjs`), 0o644);
    writeFileSync(join(output, program.name), formatLauncher(program));
    chmodSync(join(output, program.name), 0o755);
  }
  const lacksIsal = copyIsal(lib);
  return { packages: [...[...new Set(packages)].sort().map((folder) => join(root, folder)), nodePackage], lacksIsal };
}

function listPackages({ inputs }: Metafile): string[] {
  const folders = Object.keys(inputs).map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return folders.filter((folder) => folder !== undefined);
}

function locateNodePackage(root: string): string {
  const packageName = `node-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`;
  return dirname(createRequire(join(root, 'package.json')).resolve(`${packageName}/package.json`));
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    // The target is on another file system, or the file system has no hard links.
    copyFileSync(source, target);
  }
}
