import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes, parseArtifactManifest, parseReferrerList, referrersTag } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const DIGEST = hashBytes('x');
const CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', digest: DIGEST, size: 2 };
const ARTIFACT = { schemaVersion: 2, mediaType: MANIFEST_TYPE, artifactType: 'a/b', config: CONFIG, layers: [] };
const LIST = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] };

const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const artifact = (changed: object, type = '') =>
  parseArtifactManifest(bytesOf({ ...ARTIFACT, ...changed }), type, DEFAULT_LIMITS);
const list = (changed: object, type = '') => [
  ...parseReferrerList(bytesOf({ ...LIST, ...changed }), type, DEFAULT_LIMITS),
];

describe('a manifest that is read as an artifact', () => {
  it('has type, layers and subject', () => {
    const layer = { mediaType: 'l', digest: DIGEST, size: 1, annotations: { __proto__x: 'y' } };
    const subject = { mediaType: MANIFEST_TYPE, digest: DIGEST, size: 5 };
    expect(artifact({ layers: [layer], subject })).toMatchObject({
      ...{ artifactType: 'a/b', subject: DIGEST },
      layers: [{ mediaType: 'l', digest: DIGEST, size: 1, annotations: { __proto__x: 'y' } }],
    });
  });

  it.each([undefined, '', null])('has the type of its config where its own is %j', (artifactType) => {
    expect(artifact({ artifactType })?.artifactType).toBe(CONFIG.mediaType);
  });

  it.each([undefined, null])('may have no subject: %j', (subject) => {
    expect(artifact({ subject })?.subject).toBeUndefined();
  });

  it('is refused before a schema looks at layers without number', async () => {
    const error = await expectFailure('JSON_INVALID', () => artifact({ layers: Array(60_000).fill({}) }));
    expect(error.message).toContain('values');
  });

  it('is not an index', () => {
    expect(parseArtifactManifest(bytesOf(LIST), INDEX_TYPE, DEFAULT_LIMITS)).toBeUndefined();
  });

  it.each([
    ['a subject that is no descriptor', { subject: DIGEST }, 'MANIFEST_INVALID'],
    ['a subject with another digest', { subject: { ...CONFIG, digest: 'sha256:x' } }, 'DIGEST_INVALID'],
    ['a second spelling of subject', { Subject: CONFIG }, 'MANIFEST_INVALID'],
    ['a second spelling of artifactType', { ArtifactType: 'x' }, 'MANIFEST_INVALID'],
    ['a type that is no text', { artifactType: 1 }, 'MANIFEST_INVALID'],
    ['no config', { config: undefined }, 'MANIFEST_INVALID'],
    ['the members of an index', { manifests: [] }, 'MANIFEST_INVALID'],
    ['another version', { schemaVersion: 1 }, 'MANIFEST_UNSUPPORTED'],
    ['a layer with a digest that leads elsewhere', { layers: [{ ...CONFIG, digest: '../x' }] }, 'DIGEST_INVALID'],
  ] as const)('is refused with %s', async (_, changed, code) => {
    await expectFailure(code, () => artifact(changed));
  });

  it('is refused under another Content-Type, and as no object', async () => {
    await expectFailure('MANIFEST_INVALID', () => artifact({}, INDEX_TYPE));
    await expectFailure('MANIFEST_INVALID', () => parseArtifactManifest(bytesOf([]), '', DEFAULT_LIMITS));
  });
});

describe('a list of referrers', () => {
  it('has digest and types of each entry, unchecked', () => {
    const manifests = [
      { digest: '../x', mediaType: MANIFEST_TYPE, artifactType: 'a' },
      { digest: DIGEST, size: 'x' },
      {},
    ];
    expect(list({ manifests }, INDEX_TYPE)).toEqual([
      { unsafeDigest: '../x', mediaType: MANIFEST_TYPE, artifactType: 'a' },
      { unsafeDigest: DIGEST, mediaType: '', artifactType: '' },
      { unsafeDigest: '', mediaType: '', artifactType: '' },
    ]);
  });

  it.each([[[]], [null]])('may be empty: %j', (manifests) => {
    expect(list({ manifests })).toEqual([]);
  });

  it.each([
    ['a manifest', ARTIFACT, 'MANIFEST_INVALID'],
    ['both', { ...LIST, layers: [] }, 'MANIFEST_INVALID'],
    ['a second spelling', { ...LIST, Manifests: [] }, 'MANIFEST_INVALID'],
    ['no list', { ...LIST, manifests: {} }, 'MANIFEST_INVALID'],
    ['entries that are none', { ...LIST, manifests: ['x'] }, 'MANIFEST_INVALID'],
    ['a digest that is no text', { ...LIST, manifests: [{ digest: 1 }] }, 'MANIFEST_INVALID'],
    ['another kind of document', { schemaVersion: 2, mediaType: 'x/y' }, 'MANIFEST_UNSUPPORTED'],
  ] as const)('is refused as %s', async (_, document, code) => {
    await expectFailure(code, () => [...parseReferrerList(bytesOf(document), '', DEFAULT_LIMITS)]);
  });

  it('is only read as far as it is asked for', () => {
    const rawList = bytesOf({ ...LIST, manifests: [{ digest: DIGEST }, 'none'] });
    const [first] = parseReferrerList(rawList, '', DEFAULT_LIMITS);
    expect(first).toMatchObject({ unsafeDigest: DIGEST });
  });
});

describe('the tag of a list of referrers', () => {
  it('is the digest, cut to the length of sha256', () => {
    expect(referrersTag(DIGEST)).toBe(DIGEST.replace(':', '-'));
    expect(referrersTag(hashBytes('x', 'sha512'))).toBe(hashBytes('x', 'sha512').replace(':', '-').slice(0, 71));
  });
});
