import { describe, expect, it } from 'vitest';
import { explainSpace } from '../../../src/daemon/explain-space.ts';
import { SealiftError } from '../../../src/errors/index.ts';

const GIB = 2 ** 30;
const FIGURES = { expected: GIB, likely: 2 * GIB, actual: GIB / 2, size: 4 * GIB };

function full(context: Readonly<Record<string, number>>): SealiftError {
  return new SealiftError('STORE_SPACE_EXHAUSTED', 'store /x: full', { context, hint: 'prune', cause: 'why' });
}

describe('explainSpace', () => {
  it('says what to raise when the disk is full, and keeps the error', () => {
    const explained = explainSpace(full(FIGURES), { trees: 'required' });
    expect(explained).toMatchObject({ code: 'STORE_SPACE_EXHAUSTED', message: 'store /x: full', cause: 'why' });
    expect(explained).toMatchObject({ hint: expect.stringContaining('annotation'), context: FIGURES });
    expect(explained).toMatchObject({ hint: expect.stringContaining('to 7Gi') });
  });

  it('says that memory is full where the store lies in memory', () => {
    const explained = explainSpace(full(FIGURES), { trees: 'unused' });
    expect(explained).toMatchObject({ hint: expect.stringContaining('memory limit of the pod') });
  });

  it('takes the least need where no better figure is known', () => {
    const { likely: _, ...figures } = FIGURES;
    expect(explainSpace(full(figures), { trees: 'required' })).toMatchObject({ hint: expect.stringContaining('6Gi') });
  });

  it.each([
    ['the state directory that is full', full({ expected: 1, actual: 0 })],
    ['another error', new SealiftError('STORE_STALLED', 'store: hangs')],
    ['no SealiftError', new TypeError('bug')],
  ])('returns %s as it is', (_, error) => {
    expect(explainSpace(error, { trees: 'required' })).toBe(error);
  });
});
