import { describe, expect, it } from 'vitest';
import { failAsHub } from '../../../src/api/fail-as-hub.ts';
import { type ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import { layerCompression } from '../../../src/oci/index.ts';
import { STATUS } from '../../../src/ttrpc/index.ts';

function failureOf(action: () => unknown): SealiftError {
  try {
    action();
  } catch (error) {
    if (error instanceof SealiftError) return error;
  }
  throw new Error('expected a SealiftError');
}

function textOf(...parameters: Parameters<typeof failAsHub>): string {
  const { status, payload } = failAsHub(...parameters);
  expect(status.code).toBe(STATUS.INTERNAL);
  expect(payload).toHaveLength(0);
  return status.message;
}

describe('failAsHub', () => {
  it.each<[ErrorCode, string]>([
    ['REFERENCE_INVALID', 'Illegal image reference'],
    ['POLICY_DENIED', 'Image policy rejected: Denied by policy'],
    ['POLICY_TAG_UNPINNED', 'Image policy rejected: Denied by policy'],
    ['POLICY_INVALID', 'Image policy rejected: Invalid image policy file'],
    ['POLICY_REQUIREMENT_UNSUPPORTED', 'Image policy rejected'],
    ['REGISTRY_AUTH_REJECTED', 'Failed to pull image: Not authorized'],
    ['STORE_SPACE_EXHAUSTED', 'Failed to pull image'],
    ['INTERNAL', 'Failed to pull image'],
  ])('says of %s what people look for', (code, words) => {
    const text = textOf('pullImage', new SealiftError(code, 'what happened', { hint: 'do this' }));
    expect(text).toBe(`[CDH] [ERROR]: Image Pull error: ${words}: what happened [${code}] (do this)`);
  });

  it('says of an encrypted layer what kata’s tests look for', () => {
    const words = 'Failed to decrypt the image layer, please ensure that the decryption key is placed and correct';
    const encrypted = () => layerCompression('application/vnd.oci.image.layer.v1.tar+gzip+encrypted');
    expect(textOf('pullImage', failureOf(encrypted))).toContain(
      `[CDH] [ERROR]: Image Pull error: Failed to pull image: ${words}: layer of type`,
    );
    const unknown = () => layerCompression('application/vnd.example.layer');
    expect(textOf('pullImage', failureOf(unknown))).not.toContain(words);
  });

  it('names the key of cdh.toml to write when no policy allows a tag', () => {
    expect(textOf('pullImage', new SealiftError('POLICY_TAG_UNPINNED', 'image app:1: expected a digest'))).toBe(
      '[CDH] [ERROR]: Image Pull error: Image policy rejected: Denied by policy: image app:1: expected a digest ' +
        '[POLICY_TAG_UNPINNED] (write a policy that accepts the image into cdh.toml, as image.image_security_policy ' +
        'or as a file named by image.image_security_policy_uri, or name the image by digest (name@sha256:…))',
    );
  });

  it.each([
    ['secureMount', 'Secure Mount failed'],
    ['getResource', 'Get Resource failed'],
    ['unsealSecret', 'Unseal Secret failed'],
    ['unwrapKey', 'Decrypt Image (UnwrapKey) failed'],
  ] as const)('says which operation failed: %s', (operation, words) => {
    const text = textOf(operation, new SealiftError('STORE_IO_FAILED', 'what happened', { hint: 'do this' }));
    expect(text).toBe(`[CDH] [ERROR]: ${words}: what happened [STORE_IO_FAILED] (do this)`);
  });

  it('tells the nearest causes, without secrets and control characters', () => {
    const deep = [5, 4, 3, 2, 1].reduce<Error | undefined>((cause, i) => new Error(`cause ${i}`, { cause }), undefined);
    const cause = new Error('GET https://me:secret@registry.test/\n\u001b[31m', { cause: deep });
    const text = textOf('pullImage', new SealiftError('HTTP_UNAVAILABLE', 'pull image x', { cause }));
    expect(text).toContain('; caused by: GET https://');
    expect(text).toContain('cause 3 [HTTP_UNAVAILABLE]');
    expect(text).not.toContain('cause 4');
    expect(text).not.toContain('secret');
    expect(text).not.toMatch(/[\n\u001b]/);
  });

  it.each<[ErrorCode, number]>([
    ['TTRPC_DEADLINE_EXCEEDED', STATUS.DEADLINE_EXCEEDED],
    ['TTRPC_MESSAGE_INVALID', STATUS.INVALID_ARGUMENT],
    ['API_PASS_THROUGH_MISSING', STATUS.UNIMPLEMENTED],
  ])('leaves %s its own status', (code, status) => {
    const reply = failAsHub('pullImage', new SealiftError(code, 'what happened'));
    expect(reply.status).toMatchObject({ code: status, message: `what happened [${code}]` });
  });
});
