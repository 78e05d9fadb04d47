import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import { expectFailure } from '../../support/matchers.ts';
import { authoriseDocument } from '../../support/signatures/gate.ts';
import { attachmentOf, publicKey, signedImage } from '../../support/signatures/sigstore-signatures.ts';

const FOLDER = new URL('../../../config/policies/', import.meta.url);
const IMAGE = signedImage('legacy-p256');

/** Asks the gate about an image that cosign has signed, with the policy as it is shipped. */
async function verdict(name: string, { isSigned = true, key = 'p256', path = IMAGE.repository } = {}): Promise<string> {
  const { mediaType, annotations, content } = attachmentOf(IMAGE);
  const signature = { mediaType, annotations, rawBytes: Buffer.from(content), origin: 'its registry' };
  const evidence = [{ ...NO_EVIDENCE, signatures: isSigned ? [signature] : [] }];
  const document = readFileSync(new URL(name, FOLDER), 'utf8');
  const readKey = () => Buffer.from(publicKey(key));
  const authorised = authoriseDocument({
    document,
    image: IMAGE.document,
    reference: `${path}:1.0`,
    evidence,
    readKey,
  });
  const { basis } = await authorised;
  return basis;
}

describe('the policies that are shipped', () => {
  it('are these, and each has a test', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(['default-deny.json', 'lab-accept-anything.json', 'signed-only.json']);
  });

  it('default-deny.json lets nothing run', async () => {
    await expectFailure('POLICY_DENIED', () => verdict('default-deny.json'));
  });

  it('signed-only.json lets run what the key has signed under the name of its repository', async () => {
    expect(await verdict('signed-only.json')).toBe('signature');
    await expectFailure('POLICY_DENIED', () => verdict('signed-only.json', { isSigned: false }));
    await expectFailure('POLICY_DENIED', () => verdict('signed-only.json', { key: 'p384' }));
    await expectFailure('POLICY_DENIED', () => verdict('signed-only.json', { path: 'registry.example/other' }));
  });

  it('lab-accept-anything.json lets anything run', async () => {
    expect(await verdict('lab-accept-anything.json', { isSigned: false })).toBe('policy');
  });
});
