import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../../src/bytes/index.ts';
import { readFacts, saveFacts } from '../../../src/layer-facts/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const { maxRecordBytes } = DEFAULT_LIMITS;
/** The weight of a path besides its characters. */
const PATH_WEIGHT = 40;

function save(path: string, paths: readonly string[]): NonNullable<ReturnType<typeof saveFacts>['paths']> {
  const implied = paths.map((each) => ({ path: each as ByteString, cut: false }));
  const nothing = { entries: 0, contentBytes: 0, dropped: {}, traversed: [], unresolvedLinks: [], marked: [] };
  const { paths: extent } = saveFacts(path, { ...nothing, implied }, DEFAULT_LIMITS);
  if (extent === undefined) throw new TypeError('facts that were saved have an extent');
  return extent;
}

describe('the weight of facts', () => {
  it('is that of their text in the file, where control characters take more', async () => {
    using scratch = new Scratch();
    const weightOf = (name: string) => save(scratch.join(`${name.length}-${name.charCodeAt(0)}`), [name]).weight;
    expect(weightOf('a/b')).toBe(3 + PATH_WEIGHT);
    expect(weightOf('\xe4/\xff')).toBe(3 + PATH_WEIGHT);
    expect(weightOf('\x01/b')).toBe(6 + 2 + PATH_WEIGHT);
    const hostile = Array.from({ length: 15_000 }, (_, at) => `${'\x01'.repeat(200)}${at}`);
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => save(scratch.join('hostile'), hostile));
    expect(error.context).toMatchObject({ limit: 'maxRecordBytes', expected: maxRecordBytes });
    const path = scratch.join('read');
    const read = readFacts({ path, ...save(path, ['\x01"\\\xff']) });
    expect(read.implied).toEqual([{ path: '\x01"\\\xff', cut: false }]);
  });
});
