import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { formatLauncher, NODE_FLAGS } from './build-launcher.ts';
import { BUNDLE_OPTIONS } from './bundle-plugins.ts';
import { formatChunkScript, URL_PARAMETER } from './chunk-scripts.ts';
import { copyIsal } from './distribution/isal.ts';

const PROGRAMS = [
  { name: 'sealift', source: 'src/bin/sealift.ts', environment: 'measured' },
  { name: 'sealiftd', source: 'src/bin/sealiftd.ts', environment: 'unmeasured' },
] as const;
const WORKER = { name: 'worker', source: 'src/compose/worker.ts' };
const LOADER = 'src/bin/load.ts';
const CODE_CACHE_MAKER = fileURLToPath(new URL('make-code-cache.ts', import.meta.url));

export interface BuiltProgram {
  /** Folders of the npm packages in the output: the bundled ones, and Node's. */
  readonly packages: readonly string[];
  /** Why there is no libisal in the output, if there should be one; zlib inflates then. */
  readonly lacksIsal: string | undefined;
}

/**
 * Makes the launchers in `output` and, in `output/lib`, Node, libisal and for each program and the worker: NAME.mjs, which
 * Node starts; the chunks that it loads, NAME.js first; and their bytecode, NAME.cache. OpenPGP.js is a module. The same sources give the same
 * bytes (docs/adr/0018-launchers.md).
 */
export async function buildProgram(root: string, output: string): Promise<BuiltProgram> {
  const lib = join(output, 'lib');
  rmSync(lib, { recursive: true, force: true });
  mkdirSync(lib, { recursive: true });
  const nodePackage = locateNodePackage(root);
  const node = join(lib, 'node');
  linkOrCopy(join(nodePackage, 'bin/node'), node);
  const packages: string[] = [];
  // Each is bundled for itself: what two of them share is loaded twice anyway, and in fewer and larger pieces.
  for (const { name, source } of [...PROGRAMS, WORKER]) {
    const { metafile, chunks, published } = await bundle({ root, name, source });
    packages.push(...listPackages(metafile));
    for (const { path, contents } of published) writeFileSync(join(lib, basename(path)), contents);
    for (const chunk of chunks) writeFileSync(join(lib, chunk.name), chunk.script);
    await writeLoader(root, join(lib, `${name}.mjs`));
    makeCodeCache(
      node,
      join(lib, `${name}.cache`),
      chunks.map((chunk) => join(lib, chunk.name)),
    );
  }
  for (const program of PROGRAMS) {
    writeFileSync(join(output, program.name), formatLauncher(program));
    chmodSync(join(output, program.name), 0o755);
  }
  const lacksIsal = copyIsal(lib);
  return { packages: [...[...new Set(packages)].sort().map((folder) => join(root, folder)), nodePackage], lacksIsal };
}

interface Entry {
  readonly root: string;
  readonly name: string;
  readonly source: string;
}

async function bundle({ root, name, source }: Entry) {
  const { outExtension, banner, ...options } = BUNDLE_OPTIONS;
  // Workers hash and inflate from their first task on.
  const isMainThread = name !== WORKER.name;
  const { metafile, outputFiles } = await build({
    ...options,
    absWorkingDir: root,
    entryPoints: { [name]: source },
    outdir: 'lib',
    chunkNames: `${name}-[name]-[hash]`,
    define: { ...options.define, 'import.meta.url': URL_PARAMETER, loadsBuiltinsLater: String(isMainThread) },
    minifySyntax: true,
    // The distribution has the licences in a file of its own.
    legalComments: 'none',
    metafile: true,
    write: false,
  });
  // Packages that are shipped as their authors publish them.
  const published = outputFiles.filter(({ path }) => path.endsWith('.mjs'));
  const chunks = outputFiles
    .filter((file) => !published.includes(file))
    .map(({ path, text }) => ({ name: basename(path), script: formatChunkScript(text) }));
  return { metafile, chunks, published };
}

async function writeLoader(root: string, outfile: string): Promise<void> {
  await build({ ...BUNDLE_OPTIONS, splitting: false, banner: {}, absWorkingDir: root, entryPoints: [LOADER], outfile });
}

/** Runs in the shipped Node under the flags of the launcher, because V8 accepts bytecode only where these are equal. */
export function makeCodeCache(node: string, output: string, chunks: readonly string[]): void {
  execFileSync(node, [...NODE_FLAGS, '--random-seed=1', CODE_CACHE_MAKER, output, ...chunks], { env: {} });
  execFileSync(node, [...NODE_FLAGS, CODE_CACHE_MAKER, '--check', output, ...chunks], { env: {} });
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
