import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import type { ErrorCode } from '../../../src/errors/index.ts';
import { parseManifestDocument } from '../../../src/oci/index.ts';
import type { PullResult } from '../../../src/pull/index.ts';
import { withArchive } from '../../support/beds/archive-bed.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { digestOf, entryOf, type OddLayer, oddLayer, serveOddImage } from '../../support/builders/odd-image.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { type FakeAuth, type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const BASE = oddLayer([dir('./'), file('base', 'from elsewhere')], {
  mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
});
const DIGEST = digestOf(BASE.blob);
const OWN = oddLayer([dir('./'), file('own', 'of the registry')]);
const SECRET = { kind: 'basic', username: 'user', password: 'hunter2' } as const;

describeWith(['openssl'], 'a foreign layer', () => {
  let certificates: TestCertificates;
  const running: FakeRegistry[] = [];
  let bed: PullBed;
  let cdn: FakeRegistry;

  beforeAll(() => {
    certificates = makeTestCertificates();
  });
  beforeEach(async () => {
    const registry = await startFakeRegistry({ auth: SECRET });
    bed = new PullBed(registry);
    cdn = await startElsewhere();
    // Every server that may be asked has an entry, so a missing entry is not the reason why no credentials are sent.
    writeAuthfile([registry, cdn]);
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.close()));
    await bed.close();
  });

  async function startElsewhere(auth: FakeAuth = { kind: 'none' }): Promise<FakeRegistry> {
    const server = await startFakeRegistry({ tls: certificates.server, auth });
    server.addBlob(BASE.blob);
    running.push(server);
    return server;
  }

  function writeAuthfile(servers: readonly FakeRegistry[]): void {
    const auth = Buffer.from('user:hunter2').toString('base64');
    const auths = Object.fromEntries(servers.map(({ host }) => [host, { auth }]));
    writeFileSync(bed.path('auth.json'), JSON.stringify({ auths }));
  }

  const urlAt = ({ origin }: FakeRegistry) => `${origin}/v2/any/blobs/${DIGEST}`;

  function serve(urls: readonly string[], change: Partial<OddLayer> = {}): string {
    return serveOddImage(bed, { layers: [{ ...BASE, isMissing: true, urls, ...change }, OWN] }).digest;
  }

  function pull(digest: string, settings: SettingValues = { 'pull.foreign_layer_urls': true }): Promise<PullResult> {
    return bed.pull(
      digest,
      { kind: 'unpack', directory: bed.path('tree') },
      {
        settings: {
          ...settings,
          'store.root': undefined as never,
          'pull.authfile': bed.path('auth.json'),
          'pull.extra_root_certificates': [certificates.authority],
          'pull.limits.maxTries': 1,
        },
      },
    );
  }

  const authorizations = (server: FakeRegistry) =>
    server.requests.map(({ headers }) => headers['authorization']).filter((value) => value !== undefined);

  it('comes from the address in the manifest, which gets no credentials, where that is allowed', async () => {
    const { warnings } = await pull(serve([urlAt(cdn)]));
    expect(readFileSync(bed.path('tree/base'), 'utf8')).toBe('from elsewhere');
    expect(readFileSync(bed.path('tree/own'), 'utf8')).toBe('of the registry');
    expect(bed.fetchesOf(DIGEST)).toBeGreaterThan(0);
    expect(warnings.join()).toContain('REGISTRY_BLOB_UNKNOWN');
    expect(cdn.requests.map(({ url }) => url)).toEqual([`/v2/any/blobs/${DIGEST}`]);
    expect(authorizations(cdn)).toEqual([]);
    // The positive control: they were there to be sent.
    expect(authorizations(bed.registry)).not.toEqual([]);
  });

  it('is refused where nobody has allowed it, and the address is not asked', async () => {
    const error = await expectFailure('LAYER_FOREIGN_REFUSED', () => pull(serve([urlAt(cdn)]), {}));
    expect(error.hint).toContain('--foreign-layers');
    expect(error.context).toMatchObject({ digest: DIGEST, url: urlAt(cdn) });
    expect(cdn.requests).toEqual([]);
  });

  it('comes from the registry when that has it, whatever else is allowed', async () => {
    await pull(serve([urlAt(cdn)], { isMissing: false }));
    expect(cdn.requests).toEqual([]);
    expect(readFileSync(bed.path('tree/base'), 'utf8')).toBe('from elsewhere');
  });

  it('is not looked for elsewhere when its type is an ordinary one', async () => {
    const { mediaType } = OWN;
    await expectFailure('REGISTRY_BLOB_UNKNOWN', () => pull(serve([urlAt(cdn)], { mediaType })));
    expect(cdn.requests).toEqual([]);
  });

  it('without urls is missing like any other', async () => {
    await expectFailure('REGISTRY_BLOB_UNKNOWN', () => pull(serve([])));
  });

  it('comes from the second address when the first has it not, or wrong', async () => {
    const empty = await startFakeRegistry({ tls: certificates.server });
    running.push(empty);
    const wrong = await startElsewhere();
    wrong.inject({ match: /blobs/, action: { kind: 'alter', alter: (body) => Buffer.alloc(body.length, 'x') } });
    await pull(serve([urlAt(empty), urlAt(wrong), urlAt(cdn)]));
    expect([empty, wrong, cdn].map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
  });

  it.each<[string, FakeAuth]>([
    ['Basic', SECRET],
    ['Bearer', { kind: 'bearer', account: 'user:hunter2' }],
  ])('from who asks for credentials of the kind %s is refused, and they are not sent', async (_, auth) => {
    const asking = await startElsewhere(auth);
    writeAuthfile([bed.registry, asking]);
    const error = await expectFailure('REGISTRY_AUTH_REJECTED', () => pull(serve([urlAt(asking)])));
    expect(error.message).toContain(asking.host);
    expect(asking.requests.length).toBeGreaterThan(0);
    expect(authorizations(asking)).toEqual([]);
    expect(asking.requestsTo(/token/)).toEqual([]);
  });

  it('follows a redirect of its address, and nobody gets credentials on the way', async () => {
    const hop = await startElsewhere();
    hop.inject({ match: /blobs/, action: { kind: 'answer', status: 307, headers: { location: urlAt(cdn) } } });
    await pull(serve([urlAt(hop)]));
    expect([...authorizations(hop), ...authorizations(cdn)]).toEqual([]);
    expect(cdn.requests).toHaveLength(1);
  });

  it.each<[string, (server: FakeRegistry) => string, ErrorCode]>([
    ['in the clear', (server) => urlAt(server).replace('https:', 'http:'), 'LAYER_FOREIGN_REFUSED'],
    ['with a password', (server) => urlAt(server).replace('//', '//user:hunter2@'), 'LAYER_FOREIGN_REFUSED'],
    ['that nobody has', (server) => urlAt(server).replace(DIGEST, digestOf(Buffer.from(''))), 'REGISTRY_BLOB_UNKNOWN'],
  ])('at an address %s is refused', async (_, urlOf, code) => {
    const error = await expectFailure(code, () => pull(serve([urlOf(cdn)])));
    expect(`${error.message} ${JSON.stringify(error.context)}`).not.toContain('hunter2');
  });

  it('that the layout of an image in files lacks is refused', async () => {
    const manifest = serveOddImage(bed, { layers: [{ ...BASE, urls: [urlAt(cdn)] }] });
    const layout = bed.path('layout');
    const blobs = `${layout}/blobs/sha256`;
    mkdirSync(blobs, { recursive: true });
    writeFileSync(`${layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(`${layout}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [entryOf(manifest)] }));
    writeFileSync(`${blobs}/${manifest.digest.slice('sha256:'.length)}`, manifest.bytes);
    const offer = () =>
      withArchive(`oci:${layout}`, { scratchDir: bed.directory }, async ({ supply }) => {
        const { rawBytes, contentType } = await supply.fetchManifest('');
        const parsed = parseManifestDocument(rawBytes, contentType);
        const [layer] = parsed.kind === 'manifest' ? parsed.manifest.layers : [];
        if (layer === undefined) throw new Error('expected a layer');
        return (await supply.offerBlob(layer)).file.length;
      });
    await expectFailure('LAYER_FOREIGN_REFUSED', offer);
    writeFileSync(`${blobs}/${DIGEST.slice('sha256:'.length)}`, BASE.blob);
    expect(await offer()).toBe(BASE.blob.length);
    expect(cdn.requests).toEqual([]);
  });
});
