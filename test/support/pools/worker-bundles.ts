import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleSources } from '../programs/bundle-sources.ts';

const FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/sealift/workers', import.meta.url));

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const ENTRIES = {
  worker: path('../../../src/compose/worker.ts'),
  'faulty-worker': path('../entries/layer-worker-entry.ts'),
};

/** The worker of the sources. As a bundle it starts in a third of the time. */
export const WORKER_BUNDLE = pathToFileURL(join(FOLDER, 'worker.mjs'));
/** The worker of entries/layer-worker-entry.ts. */
export const FAULTY_WORKER_BUNDLE = pathToFileURL(join(FOLDER, 'faulty-worker.mjs'));

/** Writes the bundles; called once before any test. Another run of the tests in this tree may load them meanwhile. */
export async function writeWorkerBundles(): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  // The files that an entry imports are written before it.
  const files = (await bundleSources(ENTRIES, FOLDER)).toSorted((a, b) => rank(a.path) - rank(b.path));
  for (const { path, contents } of files) {
    const unfinished = `${path}.${process.pid}`;
    writeFileSync(unfinished, contents);
    renameSync(unfinished, path);
  }
}

function rank(path: string): number {
  return Object.keys(ENTRIES).some((name) => path.endsWith(`/${name}.mjs`)) ? 1 : 0;
}
