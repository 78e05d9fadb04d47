import { describe, expect, it } from 'vitest';
import { type ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { type Descriptor, hashBytes } from '../../../src/oci/index.ts';
import { createImageSupply } from '../../../src/registry/index.ts';
import type { ImageSource } from '../../../src/registry/types.ts';
import { configBound } from '../../support/builders/config-bound.ts';
import { expectFailure } from '../../support/matchers.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const EMPTY = hashBytes(Buffer.from('{}'), 'sha256');
const CONFIG = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: EMPTY, size: 2 };
const MANIFEST = Buffer.from(
  JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPE, config: CONFIG, layers: [] }),
);
const BLOB: Descriptor = {
  mediaType: 'application/octet-stream',
  digest: EMPTY,
  size: 2,
  annotations: {},
  platform: undefined,
};

type Answer = ErrorCode | 'yes';

interface AnsweringEndpoint {
  readonly manifest?: Answer;
  readonly manifestBytes?: Buffer;
  readonly blob?: Answer;
}

/** A supply over endpoints that answer as the test says, with their requests in order. */
function supplyOf(described: Readonly<Record<string, AnsweringEndpoint>>) {
  const asked: string[] = [];
  const remarks: string[] = [];
  const answer = <T>(name: string, question: string, told: Answer, value: T): Promise<T> => {
    asked.push(`${name} ${question}`);
    return told === 'yes' ? Promise.resolve(value) : Promise.reject(new SealiftError(told, `${name} failed`));
  };
  const endpoints = Object.entries(described).map(([name, endpoint]) => {
    const { manifest = 'yes', blob = 'yes', manifestBytes = MANIFEST } = endpoint;
    const request = { url: `https://${name}/`, method: 'GET', headers: {}, allowHttp: false } as const;
    const document = {
      rawBytes: manifestBytes,
      digest: hashBytes(manifestBytes, 'sha256'),
      contentType: MANIFEST_TYPE,
    };
    const source: ImageSource = {
      fetchManifest: () => answer(name, 'manifest', manifest, document),
      fetchSmallBlob: () => answer(name, 'blob', blob, Buffer.from('{}')),
      fetchSignatureList: () => answer(name, 'signatures', 'yes', undefined),
      fetchReferrers: () => answer(name, 'referrers', 'yes', undefined),
      blobRequest: () => answer(name, 'layer', blob, request),
      renewBlobRequest: () => answer(name, 'renewal', 'yes', request),
    };
    return { name, source, transport: { tlsVerify: true, extraRoots: [], userAgent: name } };
  });
  const supply = createImageSupply(endpoints, { limits: DEFAULT_LIMITS, onRemark: (text) => remarks.push(text) });
  return { supply, asked, remarks };
}

const fail = (code: ErrorCode) => new SealiftError(code, 'wrong bytes');

describe('an image supply', () => {
  it('asks in order, and then where the manifest came from', async () => {
    const { supply, asked } = supplyOf({ one: { manifest: 'REGISTRY_MANIFEST_UNKNOWN' }, two: {}, own: {} });
    await supply.fetchManifest('latest');
    await supply.fetchSmallBlob(BLOB, configBound(100));
    const { request, transport } = await supply.offerBlob(BLOB);
    expect([request.url, transport.userAgent]).toEqual(['https://two/', 'two']);
    expect(asked).toEqual(['one manifest', 'two manifest', 'two blob', 'two layer']);
  });

  it('has every endpoint for attached signatures, the one that gave the manifest first', async () => {
    const { supply, asked } = supplyOf({ one: { manifest: 'REGISTRY_MANIFEST_UNKNOWN' }, two: {}, own: {} });
    await supply.fetchManifest('latest');
    const sources = supply.signatureSources();
    expect(sources.map(({ name }) => name)).toEqual(['two', 'own', 'one']);
    asked.length = 0;
    for (const source of sources) await source.fetchSignatureList(EMPTY);
    await sources[1]?.fetchManifest('other');
    await sources[1]?.fetchSmallBlob(BLOB, configBound(100));
    // What is asked of one endpoint changes nothing for the image.
    await supply.fetchSmallBlob(BLOB, configBound(100));
    const lists = ['two signatures', 'own signatures', 'one signatures'];
    expect(asked).toEqual([...lists, 'own manifest', 'own blob', 'two blob']);
  });

  it('asks those before the preferred one last', async () => {
    const lost = { blob: 'REGISTRY_BLOB_UNKNOWN' } as const;
    const { supply, asked } = supplyOf({ one: { manifest: 'HTTP_UNAVAILABLE' }, two: lost, own: lost });
    await supply.fetchManifest('latest');
    asked.length = 0;
    await supply.fetchSmallBlob(BLOB, configBound(100));
    expect(asked).toEqual(['two blob', 'own blob', 'one blob']);
  });

  it.each(['PULL_CANCELLED', 'POLICY_DENIED', 'STORE_STALLED', 'MANIFEST_UNSUPPORTED', 'INTERNAL'] as const)(
    'asks nobody else after %s',
    async (code) => {
      const { supply, asked } = supplyOf({ one: { manifest: code }, own: {} });
      await expectFailure(code, () => supply.fetchManifest('latest'));
      expect(asked).toEqual(['one manifest']);
      const { skip } = await supply.offerBlob(BLOB);
      expect(skip(fail(code))).toBe(false);
    },
  );

  it.each([
    'HTTP_UNAVAILABLE',
    'REGISTRY_AUTH_REJECTED',
    'REGISTRY_AUTH_UNSUPPORTED',
    'BLOB_DIGEST_MISMATCH',
    'TAR_INVALID',
  ] as const)('offers the next endpoint after %s, until none is left', async (code) => {
    const { supply } = supplyOf({ one: {}, two: {}, own: {} });
    const asked: string[] = [];
    for (;;) {
      const { transport, skip } = await supply.offerBlob(BLOB);
      asked.push(transport.userAgent);
      if (!skip(fail(code))) break;
    }
    expect(asked).toEqual(['one', 'two', 'own']);
  });

  it('does not go back to an endpoint that had a blob wrong, and does for other blobs', async () => {
    const { supply } = supplyOf({ one: {}, own: {} });
    const first = await supply.offerBlob(BLOB);
    expect(first.skip(fail('BLOB_DIGEST_MISMATCH'))).toBe(true);
    expect((await supply.offerBlob(BLOB)).transport.userAgent).toBe('own');
    const other = { ...BLOB, digest: hashBytes(Buffer.from('other'), 'sha256') };
    expect((await supply.offerBlob(other)).transport.userAgent).toBe('one');
  });

  it('counts the endpoints that it skipped, and says so once for each reason', async () => {
    const { supply, remarks } = supplyOf({ one: { blob: 'BLOB_DIGEST_MISMATCH' }, own: {} });
    for (let count = 0; count < 3; count++) await supply.fetchSmallBlob(BLOB, configBound(100));
    expect(remarks).toEqual(['skipped one (sent wrong bytes): BLOB_DIGEST_MISMATCH: one failed']);
    expect(supply.remarks()).toEqual(['skipped one 3 times (sent wrong bytes): BLOB_DIGEST_MISMATCH: one failed']);
  });

  it('takes no text for a manifest where there is another endpoint, and an image that cannot be run for an answer', async () => {
    const html = { manifestBytes: Buffer.from('<html>') };
    const { supply, asked } = supplyOf({ one: html, own: {} });
    expect((await supply.fetchManifest('latest')).rawBytes).toBe(MANIFEST);
    expect(asked).toEqual(['one manifest', 'own manifest']);
    const artifact = { ...JSON.parse(MANIFEST.toString()), config: { ...CONFIG, mediaType: 'application/vnd.x' } };
    const odd = supplyOf({ one: { manifestBytes: Buffer.from(JSON.stringify(artifact)) }, own: {} });
    await odd.supply.fetchManifest('latest');
    expect(odd.asked).toEqual(['one manifest']);
  });

  it('fails as its own registry does, and names the others', async () => {
    const { supply, remarks } = supplyOf({
      one: { manifest: 'MANIFEST_DIGEST_MISMATCH' },
      own: { manifest: 'REGISTRY_MANIFEST_UNKNOWN' },
    });
    const error = await expectFailure('REGISTRY_MANIFEST_UNKNOWN', () => supply.fetchManifest('latest'));
    expect(error.message).toBe('own failed; other endpoints failed too: one: MANIFEST_DIGEST_MISMATCH: one failed');
    expect((error.cause as AggregateError).errors.map(({ code }) => code)).toEqual([
      'MANIFEST_DIGEST_MISMATCH',
      'REGISTRY_MANIFEST_UNKNOWN',
    ]);
    expect(remarks).toEqual([]);
  });

  it('fails as the only endpoint does, word for word', async () => {
    const { supply } = supplyOf({ own: { manifest: 'HTTP_UNAVAILABLE' } });
    const error = await expectFailure('HTTP_UNAVAILABLE', () => supply.fetchManifest('latest'));
    expect(error.message).toBe('own failed');
  });
});
