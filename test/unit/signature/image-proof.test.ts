import { describe, expect, it } from 'vitest';
import { hashBytes } from '../../../src/oci/index.ts';
import { imageProof } from '../../../src/signature/image-proof.ts';

const PIN = hashBytes('manifest');

describe('imageProof', () => {
  it.each([
    ['digest-pin', PIN, 'digest'],
    ['policy', PIN, 'digest'],
    ['policy', undefined, 'none'],
    ['insecure-policy', PIN, 'digest'],
    ['insecure-policy', undefined, 'none'],
    ['signature', PIN, 'signature'],
    ['signature', undefined, 'signature'],
  ] as const)('of an image that runs by %s, with the pin %s, is: %s', (basis, digest, proof) => {
    expect(imageProof(basis, { digest })).toBe(proof);
  });
});
