import { Readable } from 'node:stream';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openArchive } from '../../../src/archive/index.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/limits/index.ts';
import { type Digest, hashBytes, parseDigest } from '../../../src/oci/index.ts';
import { openNamedImage } from '../../../src/pull/named-image.ts';
import { createImageSupply, createRegistrySource } from '../../../src/registry/index.ts';
import type { Evidence, SignatureSource } from '../../../src/signature/types.ts';
import { inlineArchiveRunner } from '../../support/beds/archive-bed.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { peakMemoryDuring } from '../../support/machine/process-memory.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { startDockerRegistry } from '../../support/registries/docker-registry.ts';
import {
  type FakeRegistry,
  type FakeRegistryOptions,
  type FaultAction,
  startFakeRegistry,
} from '../../support/registries/fake-registry.ts';
import { quickTransport } from '../../support/registries/http-fixture.ts';
import { RegistryPusher } from '../../support/registries/registry-pusher.ts';
import {
  BUNDLE_TYPE,
  codesOf,
  failuresOf,
  listBytes,
  MANIFEST_TYPE,
  searchAttachments,
  textsOf,
} from '../../support/signatures/attachment-world.ts';
import {
  blobOf,
  manifestsOf,
  RECORDED_LAYOUTS,
  type RecordedLayout,
  recordedLayout,
  writeRecordedLayout,
} from '../../support/signatures/recorded-layouts.ts';

const REPOSITORY = 'team/app';
const scratch = new Scratch('find-attachments');
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(() => scratch[Symbol.dispose]());

/** The texts of all signatures in a recorded layout, by the digest that they are attached to. */
function recordedSignatures(layout: RecordedLayout): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { bytes, name } of manifestsOf(layout)) {
    const { layers = [], subject } = JSON.parse(bytes.toString());
    const signed = layers.filter(({ mediaType }: { mediaType: string }) => /sigstore|simplesigning/.test(mediaType));
    if (signed.length === 0) continue;
    const owner = subject?.digest ?? name.replace('-', ':').replace('.sig', '');
    const texts = signed.map(({ digest }: { digest: string }) => blobOf(layout, digest).toString());
    found.set(owner, [...(found.get(owner) ?? []), ...texts]);
  }
  return found;
}

async function serve(layout: RecordedLayout, options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(options);
  closers.push(() => registry.close());
  for (const digest of Object.keys(layout.blobs)) registry.addBlob(blobOf(layout, digest));
  for (const { bytes, mediaType, name } of manifestsOf(layout)) {
    registry.addManifest(REPOSITORY, bytes, mediaType, name.startsWith('sha256:') ? undefined : name);
  }
  return registry;
}

/** The endpoint as a pull gives it to the search. */
function sourceAt(host: string, repository = REPOSITORY, limits: Partial<Limits> = {}): SignatureSource {
  const http = quickTransport({ tlsVerify: false, limits });
  closers.push(() => http.close());
  const source = createRegistrySource({
    ...{ http, allowHttp: true, limits: DEFAULT_LIMITS, clock: performance },
    ...{ reference: { domain: host, path: repository }, credentials: undefined },
  });
  const endpoint = {
    name: `${host}/${repository}`,
    source,
    transport: { tlsVerify: false, extraRoots: [], userAgent: 't' },
  };
  const [found] = createImageSupply([endpoint], { limits: DEFAULT_LIMITS, onRemark: () => {} }).signatureSources();
  if (found === undefined) throw new Error('expected a source');
  return found;
}

function expectRecorded(found: readonly Evidence[], layout: RecordedLayout, digests: readonly Digest[]): void {
  const recorded = recordedSignatures(layout);
  const expected = digests.flatMap((digest) => recorded.get(digest) ?? []);
  expect(expected.length).toBeGreaterThan(0);
  expect(codesOf(found)).toEqual([]);
  expect([...textsOf(found)].sort()).toEqual(expected.sort());
}

/** The signed digest, and for an index the manifest of one platform in front of it. */
function digestsOf(layout: RecordedLayout): readonly Digest[] {
  const { manifests = [] } = JSON.parse(blobOf(layout, layout.digest).toString());
  return [...manifests.slice(0, 1).map(({ digest }: { digest: string }) => parseDigest(digest)), layout.digest];
}

const NAMES = RECORDED_LAYOUTS.map(({ name }) => name);

describe('signatures that cosign attached', () => {
  it.each(NAMES)('are found in a registry with lists of referrers: %s', async (name) => {
    const layout = recordedLayout(name);
    const registry = await serve(layout, { referrersPerPage: 1 });
    const found = await searchAttachments({ sources: [sourceAt(registry.host)], digests: digestsOf(layout) });
    expectRecorded(found, layout, digestsOf(layout));
  });

  it.each(NAMES)('are found in a registry without such lists: %s', async (name) => {
    const layout = recordedLayout(name);
    const registry = await serve(layout);
    const found = await searchAttachments({ sources: [sourceAt(registry.host)], digests: digestsOf(layout) });
    expectRecorded(found, layout, digestsOf(layout));
  });

  it.each(NAMES)('are found in an image layout: %s', async (name) => {
    const layout = recordedLayout(name);
    const folder = scratch.join(name);
    writeRecordedLayout(layout, folder);
    const { signal } = new AbortController();
    await using image = await openNamedImage({
      unsafeReference: `oci:${folder}:1.0`,
      scratchDir: scratch.path,
      signal,
      ports: {
        openEndpoints: () => Promise.reject(new Error('files have no endpoints')),
        openArchive: (reference) =>
          openArchive(reference, {
            runOperation: inlineArchiveRunner,
            scratchDir: scratch.path,
            limits: DEFAULT_LIMITS,
          }),
      },
    });
    const found = await searchAttachments({ sources: image.signatureSources(), digests: digestsOf(layout) });
    expectRecorded(found, layout, digestsOf(layout));
  });

  it('are not found for an image that has none', async () => {
    const registry = await serve(recordedLayout('cosign-bundle-p256'), { referrersPerPage: 9 });
    const found = await searchAttachments({ sources: [sourceAt(registry.host)], digests: [hashBytes('other')] });
    expect([textsOf(found), codesOf(found)]).toEqual([[], []]);
  });
});

describeWith(['docker-registry'], "Debian's registry", () => {
  it('keeps signatures under tags', async () => {
    await using registry = await startDockerRegistry();
    for (const name of NAMES) {
      const layout = recordedLayout(name);
      const pusher = new RegistryPusher(registry.url, name);
      for (const digest of Object.keys(layout.blobs)) {
        const bytes = blobOf(layout, digest);
        await pusher.pushBlob(digest, bytes.length, () => Readable.from([bytes]));
      }
      for (const { name: tag, ...document } of manifestsOf(layout)) await pusher.pushManifest(tag, document);
      const found = await searchAttachments({ sources: [sourceAt(registry.host, name)], digests: digestsOf(layout) });
      expectRecorded(found, layout, digestsOf(layout));
    }
  });
});

describe('a registry that fails while attached signatures are looked for', () => {
  const layout = recordedLayout('cosign-bundle-p256');
  const BLOB = /\/blobs\//;
  const LIST = /\/referrers\//;
  const REFERRER = /\/manifests\/sha256:/;
  const TAG = /\/manifests\/sha256-/;

  async function faulty(match: RegExp, action: FaultAction) {
    const registry = await serve(layout, match === TAG ? {} : { referrersPerPage: 9 });
    registry.inject({ match, times: 99, action });
    const found = await searchAttachments({ sources: [sourceAt(registry.host)], digests: [layout.digest] });
    return { registry, found };
  }

  const answer = (status: number): FaultAction => ({ kind: 'answer', status });

  it.each([
    ['its lists', LIST, answer(500), 'HTTP_UNAVAILABLE'],
    ['its lists', LIST, answer(403), 'REGISTRY_AUTH_REJECTED'],
    ['its lists', LIST, { kind: 'close', afterBytes: 9 }, 'HTTP_UNAVAILABLE'],
    ['its lists', LIST, { kind: 'endless' }, 'HTTP_RESPONSE_INVALID'],
    ['its tags', TAG, answer(500), 'HTTP_UNAVAILABLE'],
    ['its tags', TAG, answer(403), 'REGISTRY_AUTH_REJECTED'],
    ['a manifest', REFERRER, answer(404), 'REGISTRY_MANIFEST_UNKNOWN'],
    ['a manifest', REFERRER, answer(500), 'HTTP_UNAVAILABLE'],
    [
      'a manifest',
      REFERRER,
      { kind: 'alter', alter: (body: Buffer) => Buffer.concat([body, Buffer.from(' ')]) },
      'MANIFEST_DIGEST_MISMATCH',
    ],
    ['a manifest', REFERRER, { kind: 'close', afterBytes: 9 }, 'HTTP_UNAVAILABLE'],
    ['a manifest', REFERRER, { kind: 'endless' }, 'HTTP_RESPONSE_INVALID'],
    ['a signature', BLOB, answer(404), 'REGISTRY_BLOB_UNKNOWN'],
    ['a signature', BLOB, answer(403), 'REGISTRY_AUTH_REJECTED'],
    ['a signature', BLOB, { kind: 'close', afterBytes: 9 }, 'HTTP_UNAVAILABLE'],
    [
      'a signature',
      BLOB,
      { kind: 'alter', alter: (body: Buffer) => Buffer.alloc(body.length) },
      'BLOB_DIGEST_MISMATCH',
    ],
    ['a signature', BLOB, { kind: 'alter', alter: (body: Buffer) => body.subarray(1) }, 'BLOB_SIZE_MISMATCH'],
    ['a signature', BLOB, { kind: 'endless' }, 'HTTP_RESPONSE_INVALID'],
  ] as const)('does not make an image unsigned: %s, %s', async (_, match, action: FaultAction, code) => {
    const { found } = await faulty(match, action);
    expect([textsOf(found), [...new Set(codesOf(found))]]).toEqual([[], [code]]);
  });

  it('is not waited for without an end', async () => {
    const registry = await serve(layout, { referrersPerPage: 9 });
    registry.inject({ match: LIST, times: 99, action: { kind: 'silence' } });
    const source = sourceAt(registry.host, REPOSITORY, { headersTimeoutMs: 50, maxTries: 2 });
    const found = await searchAttachments({ sources: [source], digests: [layout.digest] });
    expect([textsOf(found), codesOf(found)]).toEqual([[], ['HTTP_UNAVAILABLE']]);
  });

  it('gets no request for another origin that its Link names', async () => {
    const elsewhere = await startFakeRegistry();
    closers.push(() => elsewhere.close());
    const link = `<${elsewhere.origin}/v2/${REPOSITORY}/referrers/${layout.digest}?from=1>; rel="next"`;
    const { found } = await faulty(LIST, { kind: 'headers', headers: { link } });
    expect(codesOf(found)).toEqual(['HTTP_RESPONSE_INVALID']);
    expect(elsewhere.requests).toEqual([]);
  });

  it('does not lead round in circles', async () => {
    const link = `</v2/${REPOSITORY}/referrers/${layout.digest}>; rel="next"`;
    const { registry, found } = await faulty(LIST, { kind: 'headers', headers: { link } });
    expect(codesOf(found)).toEqual(['HTTP_RESPONSE_INVALID']);
    expect(registry.requestsTo(LIST)).toHaveLength(2);
    expect(textsOf(found)).toHaveLength(1);
  });

  it('oras-go #1396: answers the tag of the list with the image itself, which has no platforms that count', async () => {
    const recursive = recordedLayout('cosign-bundle-recursive');
    const registry = await serve(recursive);
    const body = blobOf(recursive, recursive.digest).toString();
    registry.inject({ match: TAG, times: 99, action: { kind: 'answer', status: 200, body } });
    const found = await searchAttachments({ sources: [sourceAt(registry.host)], digests: [recursive.digest] });
    expect([textsOf(found), codesOf(found)]).toEqual([[], []]);
    expect(registry.requestsTo(REFERRER)).toEqual([]);
  });

  it('CVE-2023-46737 and CVE-2024-29903: has ten thousand referrers, of which as many are fetched as may be, without more memory', async () => {
    const registry = await serve(layout);
    const entries = Array.from({ length: 10_000 }, (_, index) => {
      return { mediaType: MANIFEST_TYPE, digest: hashBytes(`${index}`), size: 900, artifactType: BUNDLE_TYPE };
    });
    const { layers } = JSON.parse(
      manifestsOf(layout)
        .find(({ bytes }) => bytes.toString().includes('"subject"'))
        ?.bytes.toString() ?? '{}',
    );
    for (const [index, entry] of entries.slice(0, 300).entries()) {
      const subject = { mediaType: MANIFEST_TYPE, digest: layout.digest, size: 1 };
      const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: hashBytes('{}'), size: 2 };
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          artifactType: BUNDLE_TYPE,
          config,
          layers,
          subject,
          annotations: { index: `${index}` },
        }),
      );
      entry.digest = hashBytes(bytes);
      registry.addManifest(REPOSITORY, bytes, MANIFEST_TYPE);
    }
    const body = listBytes(entries).toString();
    registry.inject({ match: LIST, times: 99, action: { kind: 'answer', status: 200, body } });
    const limits = { maxImageSignatures: 1_000 };
    const run = () => searchAttachments({ sources: [sourceAt(registry.host)], digests: [layout.digest], limits });
    // The first run loads code, and its memory is used again.
    const found = await run();
    const [failed] = failuresOf(found);
    expect(failed?.error).toBeInstanceOf(SealiftError);
    expect(failed?.error).toMatchObject({ code: 'SIGNATURE_LIMIT_EXCEEDED', context: { limit: 'maxImageReferrers' } });
    expect(textsOf(found)).toHaveLength(DEFAULT_LIMITS.maxImageReferrers);
    expect(registry.requestsTo(REFERRER)).toHaveLength(DEFAULT_LIMITS.maxImageReferrers);
    const most = 64 * 1024 * 1024;
    expect(await peakMemoryDuring(run)).toBeLessThan(most);
    // Control: memory that is given back at once is seen.
    expect(await peakMemoryDuring(async () => Buffer.alloc(2 * most, 1))).toBeGreaterThan(most);
    const bounded = await searchAttachments({ sources: [sourceAt(registry.host)], digests: [layout.digest] });
    expect(textsOf(bounded)).toHaveLength(DEFAULT_LIMITS.maxImageSignatures);
  });
});
