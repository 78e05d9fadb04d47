import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { mustRun } from '../../support/machine/commands.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { bundleAttachment, bundleJson, encodeEnvelope } from '../../support/signatures/sigstore-builder.ts';
import { IMAGE, PAYLOAD, STATEMENT } from '../../support/signatures/sigstore-cases.ts';
import { attachmentVerdict } from '../../support/signatures/sigstore-signatures.ts';

const EC = (curve: string) => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`];

const TYPE = 'application/vnd.in-toto+json';

describeWith(['openssl'], 'a signature that OpenSSL makes', () => {
  const scratch = new Scratch('openssl');
  afterAll(() => scratch[Symbol.dispose]());

  it.each([
    ['P-256', EC('P-256'), 'sha256', 'accepted'],
    ['P-384', EC('P-384'), 'sha384', 'accepted'],
    ['P-384', EC('P-384'), 'sha256', 'accepted'],
    ['P-521', EC('P-521'), 'sha512', 'accepted'],
    ['P-256', EC('P-256'), 'sha1', 'not-authentic'],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha256', 'accepted'],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha512', 'not-authentic'],
  ])('with %s and %o %s is %s', async (_, parameters, hash, expected) => {
    const path = (name: string) => scratch.join(name);
    await mustRun('openssl', ['genpkey', ...parameters, '-out', path('key')]);
    await mustRun('openssl', ['pkey', '-in', path('key'), '-pubout', '-out', path('public')]);
    const sign = async (message: Uint8Array): Promise<string> => {
      writeFileSync(path('message'), message);
      await mustRun('openssl', ['dgst', `-${hash}`, '-sign', path('key'), '-out', path('signature'), path('message')]);
      return readFileSync(path('signature')).toString('base64');
    };
    const keys = [readFileSync(path('public'), 'utf8')];

    const content = JSON.stringify(PAYLOAD);
    const annotations = { 'dev.cosignproject.cosign/signature': await sign(Buffer.from(content)) };
    const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
    expect(attachmentVerdict({ image: IMAGE, attachment: { mediaType, annotations, content }, keys })).toBe(expected);

    const payload = Buffer.from(JSON.stringify(STATEMENT));
    const sig = await sign(encodeEnvelope(TYPE, payload));
    const dsseEnvelope = { payload: payload.toString('base64'), payloadType: TYPE, signatures: [{ sig }] };
    const attachment = bundleAttachment(bundleJson({ dsseEnvelope }));
    expect(attachmentVerdict({ image: IMAGE, attachment, keys })).toBe(expected);
  });
});
