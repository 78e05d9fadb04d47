import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { hashBytes } from '../../../src/oci/index.ts';
import {
  artifactBytes,
  BUNDLE_TYPE,
  bundle,
  CONFIG_TYPE,
  COSIGN_ARTIFACT,
  COSIGN_LAYER,
  codesOf,
  cosign,
  EMPTY_TYPE,
  entryOf,
  failuresOf,
  INDEX_TYPE,
  json,
  listBytes,
  MANIFEST_TYPE,
  MemoryEndpoint,
  type Search,
  searchAttachments,
  textsOf,
} from '../../support/signatures/attachment-world.ts';

const IMAGE = artifactBytes({ layers: [], configType: CONFIG_TYPE });
const MANIFEST = hashBytes(IMAGE);
const INDEX = hashBytes('index');
const OTHER = hashBytes('other');
const SIG_TAG = `${MANIFEST.replace(':', '-')}.sig`;
const LIST_TAG = MANIFEST.replace(':', '-');
const down = () => new SealiftError('HTTP_UNAVAILABLE', 'GET https://r.io/: status 503');

const search = (endpoint: MemoryEndpoint, more: Partial<Search> = {}) =>
  searchAttachments({ sources: [endpoint], digests: [MANIFEST], ...more });

/** An endpoint whose own list has these manifests, each with the type that the list says. */
function listing(entries: readonly (readonly [bytes: Buffer, artifactType?: string | undefined])[]): MemoryEndpoint {
  const endpoint = new MemoryEndpoint();
  for (const [bytes] of entries) endpoint.put(hashBytes(bytes), bytes);
  endpoint.putPage(MANIFEST, listBytes(entries.map(([bytes, type]) => entryOf(bytes, type))));
  return endpoint;
}

describe('the signatures under the tag of cosign', () => {
  it('are the layers of its manifest that hold some, with their annotations', async () => {
    const endpoint = new MemoryEndpoint();
    const other = { mediaType: 'application/vnd.dsse.envelope.v1+json', bytes: Buffer.from('attestation') };
    endpoint.add({ layers: [cosign('one'), other, cosign('two')], configType: CONFIG_TYPE }, SIG_TAG);
    const found = await search(endpoint);
    expect(found[0]?.signatures).toEqual([
      {
        ...{ rawBytes: Buffer.from('one'), mediaType: COSIGN_LAYER, annotations: { signature: 'of one' } },
        origin: `r.io/app:${SIG_TAG}, layer 1`,
      },
      expect.objectContaining({ rawBytes: Buffer.from('two') }),
    ]);
    expect(codesOf(found)).toEqual([]);
  });

  it('are looked for by the digest of the manifest and of each index', async () => {
    const endpoint = new MemoryEndpoint();
    endpoint.add({ layers: [cosign('of the index')] }, `${INDEX.replace(':', '-')}.sig`);
    endpoint.add({ layers: [cosign('of the manifest')] }, SIG_TAG);
    const found = await search(endpoint, { digests: [MANIFEST, INDEX] });
    expect(textsOf(found)).toEqual(['of the manifest', 'of the index']);
  });

  it('are found whatever subject their manifest names: the signed text says what it is for', async () => {
    const endpoint = new MemoryEndpoint();
    endpoint.add({ layers: [cosign('x')], subject: OTHER }, SIG_TAG);
    expect(textsOf(await search(endpoint))).toEqual(['x']);
  });

  it.each([
    ['the image itself', IMAGE],
    ['an index', listBytes([])],
  ])('are not there where the tag is %s', async (_, bytes) => {
    const endpoint = new MemoryEndpoint();
    endpoint.put(SIG_TAG, bytes);
    const [found] = await search(endpoint);
    expect(found).toEqual({ signatures: [], failures: [], remarks: [`r.io/app:${SIG_TAG} holds no signature`] });
  });

  it('have no tag for a sha512 digest, which would be longer than tags may be', async () => {
    const endpoint = new MemoryEndpoint();
    const digest = hashBytes('x', 'sha512');
    await search(endpoint, { digests: [digest] });
    expect(endpoint.asked).toEqual([`referrers ${digest}`, digest.slice(0, 'sha512:'.length + 64).replace(':', '-')]);
  });

  it.each([
    ['that cannot be reached', down(), 'HTTP_UNAVAILABLE'],
    ['that refuses', new SealiftError('REGISTRY_AUTH_REJECTED', 'status 403'), 'REGISTRY_AUTH_REJECTED'],
    ['with a web page', Buffer.from('<!doctype html>'), 'JSON_INVALID'],
    ['with a manifest of another kind', json({ schemaVersion: 1 }), 'MANIFEST_UNSUPPORTED'],
    ['with a layer whose digest is none', json(withLayer({ digest: 'sha256:../../x' })), 'DIGEST_INVALID'],
    ['with a layer without size', json(withLayer({ size: 'x' })), 'MANIFEST_INVALID'],
  ])('are not absent at a tag %s', async (_, answer, code) => {
    const endpoint = new MemoryEndpoint();
    endpoint.put(SIG_TAG, answer);
    const found = await search(endpoint);
    expect([textsOf(found), codesOf(found)]).toEqual([[], [code]]);
    expect(failuresOf(found)[0]?.origin).toBe(`r.io/app:${SIG_TAG}`);
    expect(endpoint.asked.filter((each) => each.includes('..'))).toEqual([]);
  });
});

function withLayer(changed: object): object {
  const layer = { mediaType: COSIGN_LAYER, digest: OTHER, size: 1, ...changed };
  const config = { mediaType: CONFIG_TYPE, digest: OTHER, size: 1 };
  return { schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: [layer] };
}

describe('the signatures that refer to an image', () => {
  const of = (text: string, subject: string = MANIFEST, artifactType: string = BUNDLE_TYPE) =>
    artifactBytes({ layers: [bundle(text)], artifactType, subject });

  function withBlobs(endpoint: MemoryEndpoint, ...texts: string[]): MemoryEndpoint {
    for (const text of texts) endpoint.putBlob(hashBytes(text), Buffer.from(text));
    return endpoint;
  }

  it('are the bundles of manifests in the list of the registry', async () => {
    const manifest = of('b');
    const endpoint = withBlobs(listing([[manifest, BUNDLE_TYPE]]), 'b');
    const found = await search(endpoint);
    const origin = `r.io/app@${hashBytes(manifest)}, layer 1`;
    const signature = { rawBytes: Buffer.from('b'), mediaType: BUNDLE_TYPE, annotations: expect.anything(), origin };
    expect(found[1]?.signatures).toEqual([signature]);
    expect(endpoint.asked).not.toContain(LIST_TAG);
  });

  it.each([
    'application/vnd.dev.sigstore.bundle+json;version=0.1',
    'application/vnd.dev.sigstore.bundle+json;version=0.2',
    'application/vnd.dev.sigstore.bundle.v0.3+json',
  ])('may be of the type %s', async (mediaType) => {
    const manifest = artifactBytes({
      layers: [{ ...bundle('b'), mediaType }],
      artifactType: mediaType,
      subject: MANIFEST,
    });
    const found = await search(withBlobs(listing([[manifest, mediaType]]), 'b'));
    expect(found[1]?.signatures).toMatchObject([{ mediaType }]);
  });

  it('may be those of cosign, by the type of the manifest or of its config', async () => {
    const typed = artifactBytes({ layers: [cosign('t')], artifactType: COSIGN_ARTIFACT, subject: MANIFEST });
    const old = artifactBytes({ layers: [cosign('o')], configType: COSIGN_ARTIFACT, subject: MANIFEST });
    const endpoint = withBlobs(
      listing([
        [typed, COSIGN_ARTIFACT],
        [old, COSIGN_ARTIFACT],
      ]),
      't',
      'o',
    );
    expect(textsOf(await search(endpoint))).toEqual(['t', 'o']);
  });

  it.each([undefined, '', EMPTY_TYPE, CONFIG_TYPE, 'application/vnd.unknown.config.v1+json'])(
    'are found behind an entry whose type is %j',
    async (type) => {
      expect(textsOf(await search(withBlobs(listing([[of('b'), type]]), 'b')))).toEqual(['b']);
    },
  );

  it('are not looked for behind entries of other types, nor in indexes', async () => {
    const endpoint = withBlobs(listing([[of('b'), 'application/spdx+json']]), 'b');
    expect(textsOf(await search(endpoint))).toEqual([]);
    expect(endpoint.asked).not.toContain(hashBytes(of('b')));
    const asIndex = { ...entryOf(of('b'), BUNDLE_TYPE), mediaType: INDEX_TYPE };
    endpoint.putPage(MANIFEST, listBytes([asIndex]));
    expect(textsOf(await search(endpoint))).toEqual([]);
  });

  it.each([
    ['another subject', of('b', OTHER)],
    ['no subject', artifactBytes({ layers: [bundle('b')], artifactType: BUNDLE_TYPE })],
    ['a type of its own that is no signature', of('b', MANIFEST, 'application/spdx+json')],
    ['the config of an image', artifactBytes({ layers: [bundle('b')], configType: CONFIG_TYPE, subject: MANIFEST })],
    ['layers of another kind', artifactBytes({ layers: [cosign('b')], artifactType: BUNDLE_TYPE, subject: MANIFEST })],
    ['the members of an index', json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] })],
  ])('are not in a manifest with %s, whatever the list says', async (_, manifest) => {
    const found = await search(withBlobs(listing([[manifest, BUNDLE_TYPE]]), 'b'));
    expect([textsOf(found), codesOf(found)]).toEqual([[], []]);
    expect(found[1]?.remarks).toEqual([`no signature refers to r.io/app@${MANIFEST}`]);
  });

  it('are in the list under a tag where the registry has none', async () => {
    const endpoint = withBlobs(new MemoryEndpoint(), 'b');
    endpoint.put(hashBytes(of('b')), of('b'));
    endpoint.put(LIST_TAG, listBytes([entryOf(of('b'))]));
    expect(textsOf(await search(endpoint))).toEqual(['b']);
    expect(endpoint.asked).toEqual([SIG_TAG, `referrers ${MANIFEST}`, LIST_TAG, hashBytes(of('b')), hashBytes('b')]);
  });

  it('are not the platforms of the image, with which some registries answer that tag', async () => {
    const index = listBytes([entryOf(of('b', INDEX))]);
    const endpoint = withBlobs(new MemoryEndpoint(), 'b');
    endpoint.put(hashBytes(of('b', INDEX)), of('b', INDEX));
    endpoint.put(hashBytes(index).replace(':', '-'), index);
    const found = await search(endpoint, { digests: [hashBytes(index)] });
    expect([textsOf(found), codesOf(found)]).toEqual([[], []]);
    expect(endpoint.asked).not.toContain(hashBytes(of('b', INDEX)));
    endpoint.put(LIST_TAG, IMAGE);
    expect(codesOf(await search(endpoint))).toEqual([]);
  });

  it.each([
    ['a list that cannot be fetched', down(), 'HTTP_UNAVAILABLE'],
    ['a list that is none', IMAGE, 'MANIFEST_INVALID'],
    ['a list that is no JSON', Buffer.from('[]x'), 'JSON_INVALID'],
    ['entries that are none', listBytes([[]]), 'MANIFEST_INVALID'],
    ['a type that is no text', listBytes([{ ...entryOf(IMAGE), artifactType: 1 }]), 'MANIFEST_INVALID'],
  ])('are not absent with %s', async (_, answer, code) => {
    const [own, tagged] = [new MemoryEndpoint(), new MemoryEndpoint()];
    own.putPage(MANIFEST, answer);
    tagged.put(LIST_TAG, answer instanceof Error || answer !== IMAGE ? answer : artifactBytes({ layers: [] }));
    for (const endpoint of [own, tagged]) {
      const found = await search(endpoint);
      expect([textsOf(found), codesOf(found)]).toEqual([[], [code]]);
      expect(failuresOf(found)[0]?.origin).toBe(`what refers to r.io/app@${MANIFEST}`);
    }
  });

  it('are found beside entries that cannot be read, each of which is a failure', async () => {
    const broken = Buffer.from('{');
    const endpoint = withBlobs(
      listing([
        [broken, BUNDLE_TYPE],
        [of('gone'), BUNDLE_TYPE],
        [of('b'), BUNDLE_TYPE],
      ]),
      'b',
    );
    endpoint.putPage(
      MANIFEST,
      listBytes([
        { mediaType: MANIFEST_TYPE, digest: 'sha256:../../../x', size: 1 },
        { mediaType: MANIFEST_TYPE, digest: OTHER, size: 1 },
        ...[broken, of('gone'), of('b')].map((bytes) => entryOf(bytes)),
      ]),
    );
    const found = await search(endpoint);
    expect(textsOf(found)).toEqual(['b']);
    expect(codesOf(found)).toEqual([
      'DIGEST_INVALID',
      'REGISTRY_MANIFEST_UNKNOWN',
      'JSON_INVALID',
      'REGISTRY_BLOB_UNKNOWN',
    ]);
    expect(endpoint.asked.filter((each) => each.includes('..'))).toEqual([]);
  });

  it('are found behind any number of manifests that are not there', async () => {
    const endpoint = withBlobs(listing([[of('b')]]), 'b');
    const gone = Array.from({ length: 20 }, (_, index) => entryOf(of(`gone ${index}`), BUNDLE_TYPE));
    endpoint.putPage(MANIFEST, listBytes(gone), { next: 'p2' });
    endpoint.putPage(MANIFEST, listBytes([...gone.slice(0, 9), entryOf(of('b'), BUNDLE_TYPE)]), { page: 'p2' });
    const found = await search(endpoint);
    expect(textsOf(found)).toEqual(['b']);
    expect(new Set(codesOf(found))).toEqual(new Set(['REGISTRY_MANIFEST_UNKNOWN']));
  });

  it('are found behind layers that are not there', async () => {
    const gone = Array.from({ length: 9 }, (_, index) => bundle(`gone ${index}`));
    const bytes = artifactBytes({ layers: [...gone, bundle('b')], artifactType: BUNDLE_TYPE, subject: MANIFEST });
    const found = await search(withBlobs(listing([[bytes, BUNDLE_TYPE]]), 'b'));
    expect([textsOf(found), codesOf(found).length]).toEqual([['b'], 9]);
  });

  it('are not asked for by texts that are no digests, which are one failure of the list', async () => {
    const unsafeDigest = `sha256:x\n\u001b[31mlevel=info\u202e${'A'.repeat(100_000)}`;
    const endpoint = withBlobs(listing([[of('b')]]), 'b');
    const entry = { mediaType: MANIFEST_TYPE, artifactType: BUNDLE_TYPE, size: 1 };
    endpoint.putPage(
      MANIFEST,
      listBytes([{ ...entry, digest: unsafeDigest }, { ...entry, digest: 'y' }, entry, entryOf(of('b'), BUNDLE_TYPE)]),
    );
    const found = await search(endpoint);
    expect([textsOf(found), codesOf(found)]).toEqual([['b'], ['DIGEST_INVALID']]);
    const [failure] = failuresOf(found);
    expect(failure?.origin).toBe(`what refers to r.io/app@${MANIFEST}`);
    expect(failure?.error.message).toMatch(/^[ -~…]{1,250}$/);
    expect(endpoint.asked).toHaveLength(4);
  });

  describe('at a registry that refuses its list in a way that does not tell whether it has any', () => {
    function refusing(): MemoryEndpoint {
      const endpoint = withBlobs(new MemoryEndpoint(), 'b');
      endpoint.putPage(
        MANIFEST,
        new SealiftError('HTTP_STATUS_UNEXPECTED', 'status 400', { context: { status: 400 } }),
      );
      return endpoint;
    }

    it('are in the list under a tag', async () => {
      const endpoint = refusing();
      endpoint.put(hashBytes(of('b')), of('b'));
      endpoint.put(LIST_TAG, listBytes([entryOf(of('b'))]));
      const found = await search(endpoint);
      expect([textsOf(found), codesOf(found)]).toEqual([['b'], []]);
    });

    it('are not absent without such a tag', async () => {
      const endpoint = refusing();
      expect(codesOf(await search(endpoint))).toEqual(['HTTP_STATUS_UNEXPECTED']);
      expect(endpoint.asked).toContain(LIST_TAG);
      endpoint.put(LIST_TAG, down());
      expect(codesOf(await search(endpoint))).toEqual(['HTTP_UNAVAILABLE']);
    });
  });

  it('are not read on when the endpoint does not answer any more', async () => {
    const manifests = Array.from({ length: 20 }, (_, index) => of(`b${index}`));
    const endpoint = listing(manifests.map((bytes) => [bytes, BUNDLE_TYPE] as const));
    for (const bytes of manifests) endpoint.put(hashBytes(bytes), down());
    const found = await search(endpoint);
    expect(failuresOf(found).length).toBeLessThanOrEqual(8);
    expect(endpoint.asked.length).toBeLessThanOrEqual(10);
  });

  it('are on all pages of a list', async () => {
    const endpoint = withBlobs(listing([[of('1')], [of('2')]]), '1', '2');
    endpoint.putPage(MANIFEST, listBytes([entryOf(of('1'))]), { next: 'p2' });
    endpoint.putPage(MANIFEST, listBytes([entryOf(of('2'))]), { page: 'p2' });
    expect(textsOf(await search(endpoint))).toEqual(['1', '2']);
  });

  it('are kept when a later page fails', async () => {
    const endpoint = withBlobs(listing([[of('1')]]), '1');
    endpoint.putPage(MANIFEST, listBytes([entryOf(of('1'))]), { next: 'p2' });
    endpoint.putPage(MANIFEST, down(), { page: 'p2' });
    const found = await search(endpoint);
    expect([textsOf(found), codesOf(found)]).toEqual([['1'], ['HTTP_UNAVAILABLE']]);
  });

  it('are not looked for on a page that was read already', async () => {
    const endpoint = new MemoryEndpoint();
    endpoint.putPage(MANIFEST, listBytes([]), { next: 'p2' });
    endpoint.putPage(MANIFEST, listBytes([]), { page: 'p2', next: 'p2' });
    const found = await search(endpoint);
    expect(codesOf(found)).toEqual(['HTTP_RESPONSE_INVALID']);
    expect(endpoint.asked.filter((each) => each === 'referrers p2')).toHaveLength(1);
  });
});

describe('the bounds of the search for attached signatures', () => {
  const layersOf = (count: number) => Array.from({ length: count }, (_, index) => cosign(`${index}`));

  function tagged(layers: readonly ReturnType<typeof cosign>[]): MemoryEndpoint {
    const endpoint = new MemoryEndpoint();
    endpoint.add({ layers }, SIG_TAG);
    return endpoint;
  }

  const limitOf = (found: Awaited<ReturnType<typeof search>>) =>
    failuresOf(found).map(({ error }) => [error.code, error.context['limit']]);

  it('are maxImageSignatures and maxImageSignatureBytes, annotations included', async () => {
    const many = await search(tagged(layersOf(20)), { limits: { maxImageSignatures: 3 } });
    expect([textsOf(many).length, limitOf(many)]).toEqual([3, [['SIGNATURE_LIMIT_EXCEEDED', 'maxImageSignatures']]]);
    const large = await search(tagged(layersOf(2)), { limits: { maxImageSignatureBytes: 27 } });
    expect([textsOf(large).length, limitOf(large)]).toEqual([
      1,
      [['SIGNATURE_LIMIT_EXCEEDED', 'maxImageSignatureBytes']],
    ]);
    const { maxImageSignatures } = DEFAULT_LIMITS;
    expect(textsOf(await search(tagged(layersOf(maxImageSignatures + 9))))).toHaveLength(maxImageSignatures);
  });

  it('are maxSignatureBytes for one, which does not hide the others', async () => {
    const found = await search(tagged([cosign('12345'), cosign('1')]), { limits: { maxSignatureBytes: 4 } });
    expect([textsOf(found), limitOf(found)]).toEqual([['1'], [['SIGNATURE_LIMIT_EXCEEDED', 'maxSignatureBytes']]]);
  });

  it('are maxImageReferrers, whatever else a list has', async () => {
    const manifests = Array.from({ length: 6 }, (_, index) =>
      artifactBytes({
        layers: [],
        artifactType: BUNDLE_TYPE,
        subject: MANIFEST,
        configType: `c/${index}`,
      }),
    );
    const endpoint = listing([
      ...manifests.map((bytes) => [bytes, 'application/spdx+json'] as const),
      ...manifests.map((bytes) => [bytes, BUNDLE_TYPE] as const),
    ]);
    const found = await search(endpoint, { limits: { maxImageReferrers: 4 } });
    expect(limitOf(found)).toEqual([['SIGNATURE_LIMIT_EXCEEDED', 'maxImageReferrers']]);
    expect(endpoint.asked.filter((each) => each.startsWith('sha256:'))).toHaveLength(4);
    expect(codesOf(await search(endpoint, { limits: { maxImageReferrers: 6 } }))).toEqual([]);
  });

  it('are maxImageReferrers of those that refer to the image, where files list all images in them', async () => {
    const referring = (index: number, subject = MANIFEST) =>
      artifactBytes({ layers: [bundle(`${index}`)], artifactType: BUNDLE_TYPE, subject });
    const others = Array.from({ length: 9 }, (_, index) => artifactBytes({ layers: [], configType: `c/${index}` }));
    const ofOthers = Array.from({ length: 9 }, (_, index) => referring(index, OTHER));
    const own = [referring(1), referring(2), referring(3)];
    const list = () => {
      const endpoint = listing([...others, ...ofOthers, ...own].map((bytes) => [bytes] as const));
      for (const text of ['1', '2', '3']) endpoint.putBlob(hashBytes(text), Buffer.from(text));
      return endpoint;
    };
    const local = Object.assign(list(), { isLocal: true });
    const enough = await search(local, { limits: { maxImageReferrers: 3 } });
    expect([textsOf(enough), codesOf(enough)]).toEqual([['1', '2', '3'], []]);
    const few = await search(local, { limits: { maxImageReferrers: 2 } });
    expect([textsOf(few), limitOf(few)]).toEqual([['1', '2'], [['SIGNATURE_LIMIT_EXCEEDED', 'maxImageReferrers']]]);
    // Control: at a registry each of them is a request.
    const atRegistry = await search(list(), { limits: { maxImageReferrers: 3 } });
    expect([textsOf(atRegistry), limitOf(atRegistry)]).toEqual([
      [],
      [['SIGNATURE_LIMIT_EXCEEDED', 'maxImageReferrers']],
    ]);
  });

  it('are maxImageSignatures for those that are too large as well', async () => {
    const found = await search(tagged(layersOf(20)), { limits: { maxSignatureBytes: 0, maxImageSignatures: 9 } });
    expect(failuresOf(found).length).toBe(10);
    expect(limitOf(found).at(-1)).toEqual(['SIGNATURE_LIMIT_EXCEEDED', 'maxImageSignatures']);
  });

  it('count a manifest once that a list names several times, and end the reading of the list', async () => {
    const manifests = [1, 2, 3].map((index) =>
      artifactBytes({ layers: [], artifactType: BUNDLE_TYPE, subject: MANIFEST, configType: `c/${index}` }),
    );
    const entries = manifests.map((bytes) => entryOf(bytes, BUNDLE_TYPE));
    const endpoint = listing([]);
    for (const bytes of manifests) endpoint.put(hashBytes(bytes), bytes);
    endpoint.putPage(
      MANIFEST,
      listBytes([entries[0], entries[0], entries[0], entries[1], entries[2], 'none'] as object[]),
    );
    const found = await search(endpoint, { limits: { maxImageReferrers: 2 } });
    expect(limitOf(found)).toEqual([['SIGNATURE_LIMIT_EXCEEDED', 'maxImageReferrers']]);
    expect(endpoint.asked.filter((each) => each.startsWith('sha256:'))).toHaveLength(2);
  });

  it('are one list at a time, whatever the number of digests', async () => {
    const endpoint = new MemoryEndpoint();
    let open = 0;
    let most = 0;
    const fetchReferrers = async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      return { rawBytes: listBytes([]), contentType: INDEX_TYPE, next: undefined };
    };
    await search(Object.assign(endpoint, { fetchReferrers }), { digests: [MANIFEST, INDEX, OTHER] });
    expect(most).toBe(1);
  });

  it('are maxReferrerPages', async () => {
    const endpoint = new MemoryEndpoint();
    endpoint.putPage(MANIFEST, listBytes([]), { next: '1' });
    for (let page = 1; page < 99; page += 1)
      endpoint.putPage(MANIFEST, listBytes([]), { page: `${page}`, next: `${page + 1}` });
    const found = await search(endpoint);
    expect(limitOf(found)).toEqual([['SIGNATURE_LIMIT_EXCEEDED', 'maxReferrerPages']]);
    expect(endpoint.asked.filter((each) => each.startsWith('referrers'))).toHaveLength(DEFAULT_LIMITS.maxReferrerPages);
  });
});

describe('the search at several endpoints', () => {
  it('goes from one to the next, and reads what was read nowhere else', async () => {
    const [mirror, own] = [new MemoryEndpoint('mirror/app'), new MemoryEndpoint('r.io/app')];
    mirror.add({ layers: [cosign('both')] }, SIG_TAG);
    own.add({ layers: [cosign('both')] }, SIG_TAG);
    const manifest = own.add({ layers: [bundle('own')], artifactType: BUNDLE_TYPE, subject: MANIFEST });
    own.putPage(MANIFEST, listBytes([entryOf(manifest)]));
    const found = await searchAttachments({ sources: [mirror, own], digests: [MANIFEST] });
    expect(found.map(({ signatures }) => signatures.map(({ origin }) => origin))).toEqual([
      [`mirror/app:${SIG_TAG}, layer 1`],
      [],
      [],
      [`r.io/app@${hashBytes(manifest)}, layer 1`],
    ]);
    expect(own.asked).not.toContain(hashBytes('both'));
  });

  it('reads of one manifest what each way to it selects', async () => {
    const endpoint = new MemoryEndpoint();
    const layers = [cosign('by tag'), bundle('by list')];
    const manifest = endpoint.add({ layers, artifactType: BUNDLE_TYPE, subject: MANIFEST }, SIG_TAG);
    endpoint.putPage(MANIFEST, listBytes([entryOf(manifest, BUNDLE_TYPE)]));
    expect(textsOf(await search(endpoint))).toEqual(['by tag', 'by list']);
  });

  it('reads at the next one a manifest of which nothing was read', async () => {
    const [mirror, own] = [new MemoryEndpoint('mirror/app'), new MemoryEndpoint('r.io/app')];
    const artifact = { layers: [cosign('x')], configType: CONFIG_TYPE, subject: MANIFEST };
    mirror.putPage(MANIFEST, listBytes([entryOf(mirror.add(artifact), CONFIG_TYPE)]));
    own.add(artifact, SIG_TAG);
    expect(textsOf(await searchAttachments({ sources: [mirror, own], digests: [MANIFEST] }))).toEqual(['x']);
  });

  it('reads again at the next one what failed', async () => {
    const [mirror, own] = [new MemoryEndpoint('mirror/app'), new MemoryEndpoint('r.io/app')];
    mirror.add({ layers: [cosign('x')] }, SIG_TAG);
    mirror.putBlob(hashBytes('x'), new SealiftError('BLOB_DIGEST_MISMATCH', 'altered'));
    own.add({ layers: [cosign('x')] }, SIG_TAG);
    const found = await searchAttachments({ sources: [mirror, own], digests: [MANIFEST] });
    expect([textsOf(found), codesOf(found)]).toEqual([['x'], ['BLOB_DIGEST_MISMATCH']]);
  });

  it('sends no request where registries.d says that signatures are not attached', async () => {
    const endpoint = new MemoryEndpoint();
    const found = await search(endpoint, { usesAttachments: false });
    expect(found).toEqual([
      { signatures: [], failures: [], remarks: ['registries.d has "use-sigstore-attachments: false" for r.io/app'] },
    ]);
    expect(endpoint.asked).toEqual([]);
  });

  it('passes a cancellation and a bug on', async () => {
    for (const error of [
      new SealiftError('PULL_CANCELLED', 'x'),
      new TypeError('bug'),
      new SealiftError('INTERNAL', 'x'),
    ]) {
      const endpoint = new MemoryEndpoint();
      endpoint.put(SIG_TAG, error);
      await expect(search(endpoint)).rejects.toBe(error);
      const listed = new MemoryEndpoint();
      listed.putPage(MANIFEST, error);
      await expect(search(listed)).rejects.toBe(error);
    }
    const endpoint = new MemoryEndpoint();
    endpoint.put(SIG_TAG, down());
    await expect(search(endpoint, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'HTTP_UNAVAILABLE' });
  });
});
