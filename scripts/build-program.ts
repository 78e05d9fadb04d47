import { chmodSync, copyFileSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

// Packages in CommonJS call `require` for Node's own modules; in an ES module there is none unless it is made.
const BANNER = `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`;

/**
 * Memory is what users pay for: one malloc arena instead of one a thread (−10 MB), a young generation of 1 MB for each
 * thread's heap (−20 MB at the peak of a pull; neither costs time that can be measured).
 */
const LAUNCHER = `#!/bin/sh
lib=$(dirname -- "$(readlink -f -- "$0")")/lib
MALLOC_ARENA_MAX=\${MALLOC_ARENA_MAX:-1}
export MALLOC_ARENA_MAX
exec "$lib/node" --disable-warning=ExperimentalWarning --max-semi-space-size=1 "$lib/sealift.mjs" "$@"
`;

/** Makes `output/sealift` with its bundle, its worker and its Node in `output/lib`; the same sources give the same bytes. */
export async function buildProgram(root: string, output: string): Promise<void> {
  const lib = join(output, 'lib');
  rmSync(lib, { recursive: true, force: true });
  mkdirSync(lib, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: { sealift: 'src/bin/sealift.ts', worker: 'src/layer/worker.ts' },
    outdir: lib,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // A thread loads the chunks that it needs and no others.
    splitting: true,
    minifyWhitespace: true,
    minifySyntax: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    banner: { js: BANNER },
    legalComments: 'eof',
    logLevel: 'warning',
  });
  placeNode(root, join(lib, 'node'));
  writeFileSync(join(output, 'sealift'), LAUNCHER);
  chmodSync(join(output, 'sealift'), 0o755);
}

function placeNode(root: string, target: string): void {
  const packageName = `node-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`;
  const manifest = createRequire(join(root, 'package.json')).resolve(`${packageName}/package.json`);
  const node = join(dirname(manifest), 'bin/node');
  try {
    linkSync(node, target);
  } catch {
    // Another file system, or one without hard links.
    copyFileSync(node, target);
  }
}
