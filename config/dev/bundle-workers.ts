import { writeWorkerBundles } from '../../test/support/pools/worker-bundles.ts';

/** Vitest calls it once before any test. */
export async function setup(): Promise<void> {
  await writeWorkerBundles();
}
