import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import { configBound, manifestBound, verifySize } from '../../../src/pull/verify-size.ts';
import { expectFailure } from '../../support/matchers.ts';

const BYTES = Buffer.alloc(100, 1);
const DIGEST = hashBytes(BYTES);

describe('verifySize', () => {
  it('accepts a document of the size that its descriptor says, up to the limit', () => {
    verifySize({ digest: DIGEST, size: 100 }, BYTES, configBound({ ...DEFAULT_LIMITS, maxConfigBytes: 100 }));
  });

  it.each([0, 99, 101, 4096])('refuses 100 bytes where the descriptor says %i', async (size) => {
    const check = () => verifySize({ digest: DIGEST, size }, BYTES, configBound(DEFAULT_LIMITS));
    const error = await expectFailure('BLOB_SIZE_MISMATCH', check);
    expect(error.context).toEqual({ expected: size, actual: 100 });
    expect(error.message).toBe(`image config ${DIGEST}: expected ${size} bytes, got 100`);
  });

  it.each([
    ['config', configBound({ ...DEFAULT_LIMITS, maxConfigBytes: 99 }), 'maxConfigBytes'],
    ['manifest', manifestBound({ ...DEFAULT_LIMITS, maxManifestBytes: 99 }), 'maxManifestBytes'],
  ] as const)('refuses a %s beyond the limit', async (_, bound, limit) => {
    const check = () => verifySize({ digest: DIGEST, size: 100 }, BYTES, bound);
    const error = await expectFailure('HTTP_RESPONSE_INVALID', check);
    expect(error.context).toEqual({ limit, expected: 99, actual: 100 });
  });
});
