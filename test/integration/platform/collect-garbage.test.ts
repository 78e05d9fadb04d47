import { cachedDataVersionTag } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { collectYoungGarbage } from '../../../src/platform/index.ts';

const MODULE = new URL('../../../src/platform/collect-garbage.ts', import.meta.url).href;
const THREADS = 8;

it('collects in several threads at once, and leaves code caches valid', async () => {
  const before = cachedDataVersionTag();
  const code = `import(${JSON.stringify(MODULE)}).then(({ collectYoungGarbage }) => collectYoungGarbage());`;
  const codes = await Promise.all(
    Array.from({ length: THREADS }, () => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      new Worker(code, { eval: true }).on('error', reject).on('exit', resolve);
      return promise;
    }),
  );
  expect(codes).toEqual(Array.from({ length: THREADS }, () => 0));
  collectYoungGarbage();
  expect(cachedDataVersionTag()).toBe(before);
});
