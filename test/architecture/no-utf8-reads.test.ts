import { describe, expect, it } from 'vitest';
import { loadSources } from './source-files.ts';

/** Also over several lines, and with the encoding in an object. */
const UTF8_READ = /readFileSync\((?:[^()]|\([^()]*\))*['"]utf-?8['"]/i;

/**
 * Node 26 writes past its buffer when it reads a file as UTF-8 whose size the kernel does not know, and a short read is
 * followed by a long one: /proc/self/mountinfo with one long line, or a FIFO. Reading bytes is not affected.
 */
describe('the product', () => {
  it('reads bytes and decodes them by itself', async () => {
    const sources = await loadSources('src');
    expect(sources.filter(({ code }) => UTF8_READ.test(code)).map(({ path }) => path)).toEqual([]);
  });

  it('would notice', () => {
    expect(UTF8_READ.test("readFileSync(join(a, 'b'), 'utf8')")).toBe(true);
    expect(UTF8_READ.test("readFileSync(path, {\n  encoding: 'utf-8' })")).toBe(true);
    expect(UTF8_READ.test("readFileSync(path).toString('utf8')")).toBe(false);
  });
});
