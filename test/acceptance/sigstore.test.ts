import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { runCommand } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { SEALIFT } from '../support/programs/sealift-command.ts';
import { RegistryPusher } from '../support/registries/registry-pusher.ts';
import { publicKey, recordedRepository } from '../support/signatures/sigstore-signatures.ts';
import { findRemains } from '../support/stores/store-files.ts';

const DOCUMENT = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');

/** The policies of a recipe of docs/policy.md, in their order. */
function policiesOf(recipe: string): readonly string[] {
  const [, section = ''] = DOCUMENT.split(`## Recipe: ${recipe}\n`);
  const [text = ''] = section.split('\n## ');
  return [...text.matchAll(/```json\n(.*?)```/gs)].map(([, policy = '']) => policy);
}

/** Image → what accepts it beside the key. Payloads name the registry that they were signed for. */
const IMAGES = [
  ['legacy-p256', {}],
  ['legacy-key-log', { rekorPublicKeyPath: 'rekor' }],
  ['legacy-referrer', {}],
  ['bundle-p256', { signedIdentity: { type: 'digestOnly' } }],
  ['bundle-key-log', { signedIdentity: { type: 'digestOnly' }, rekorPublicKeyPath: 'rekor' }],
  ['bundle-index', { signedIdentity: { type: 'digestOnly' } }],
  ['attest-slsa-key', { predicateTypes: ['https://slsa.dev/provenance/v1'] }],
] as const;

const KEYLESS = ['legacy-keyless', 'legacy-pki', 'bundle-keyless', 'attest-slsa-keyless'];

describeWith(['root', 'docker-registry'], 'an image that cosign has signed', () => {
  let bed: TestBed;

  beforeAll(async () => {
    bed = await TestBed.open();
    for (const [name] of IMAGES) await push(name, `acme/${name}`);
    for (const name of KEYLESS) await push(name, `acme/${name}`);
    for (const key of ['p256', 'p384', 'rekor', 'fulcio', 'pki-root', 'trusted-root'])
      writeFileSync(bed.scratch.join(key), publicKey(key));
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  /** Pushes what was recorded, byte for byte. */
  async function push(name: string, repository: string, isSigned = true): Promise<void> {
    const pusher = new RegistryPusher(bed.registry.url, repository);
    const { manifests: recorded, blobs } = recordedRepository(name);
    const manifests = isSigned ? recorded : recorded.filter(({ reference }) => reference === '1.0');
    for (const [digest, text] of Object.entries(blobs)) {
      const bytes = text.startsWith('base64:') ? Buffer.from(text.slice(7), 'base64') : Buffer.from(text);
      await pusher.pushBlob(digest, bytes.length, () => Readable.from([bytes]));
    }
    for (const { reference, mediaType, content } of manifests) {
      await pusher.pushManifest(reference, { bytes: Buffer.from(content), mediaType });
    }
  }

  type Members = Readonly<Record<string, unknown>>;

  function requirementFor(name: string, { rekorPublicKeyPath: logKey, ...members }: Members, key = 'p256'): Members {
    return {
      type: 'sigstoreSigned',
      keyPath: bed.scratch.join(key),
      ...(logKey === undefined ? {} : { rekorPublicKeyPath: bed.scratch.join(String(logKey)) }),
      signedIdentity: { type: 'exactRepository', dockerRepository: recordedRepository(name).repository },
      ...members,
    };
  }

  interface PullOptions {
    readonly store?: string;
    /** What the repository has, when it has another name. */
    readonly image?: string;
  }

  async function pull(name: string, policy: string, { store = bed.newPath('store'), image = name }: PullOptions = {}) {
    const bundle = bed.newPath('bundle');
    const file = bed.newPath('policy.json');
    writeFileSync(file, policy);
    bed.proxy.setRules([]);
    const flags = ['--policy', file, '--platform', 'linux/amd64', '--store', store, '--bundle', bundle];
    const answer = await bed.pull(`acme/${name}:1.0`, flags);
    const { blobs } = recordedRepository(image);
    const layers = Object.keys(blobs).filter((digest) => blobs[digest]?.startsWith('base64:'));
    const fetched = bed.proxy.requests.filter(({ path }) => layers.some((digest) => path.endsWith(digest)));
    return { ...answer, store, bundle, fetched: fetched.length };
  }

  const policyOf = (requirement: Members) => JSON.stringify({ default: [requirement] });

  function expectDenial(answer: Awaited<ReturnType<typeof pull>>): void {
    expect([answer.error?.code, answer.code]).toEqual(['POLICY_DENIED', 3]);
    expect(answer.fetched).toBe(0);
    expect(findRemains(answer.store)).toEqual({ layers: [], unfinished: [] });
    expect(existsSync(answer.bundle)).toBe(false);
  }

  it.each(IMAGES)('runs: %s', async (name, members) => {
    const { error, bundle, fetched, result } = await pull(name, policyOf(requirementFor(name, members)));
    expect(error).toBeUndefined();
    expect(existsSync(`${bundle}/rootfs/hello`)).toBe(true);
    expect(fetched).toBe(1);
    expect(result['signers']).toMatchObject([
      { kind: 'sigstore-key', key: bed.scratch.join('p256'), origin: expect.stringContaining(`acme/${name}`) },
    ]);
  });

  it.each(IMAGES)('is denied with another key: %s', async (name, members) => {
    const answer = await pull(name, policyOf(requirementFor(name, members, 'p384')));
    expectDenial(answer);
    expect(answer.error?.message).toContain(`it is not by the key of the requirement (${bed.scratch.join('p384')})`);
  });

  it.each(IMAGES)('is denied under another name: %s', async (name, members) => {
    const signedIdentity = { type: 'exactRepository', dockerRepository: 'registry.example/other' };
    const answer = await pull(name, policyOf(requirementFor(name, { ...members, signedIdentity })));
    expectDenial(answer);
    expect(answer.error?.hint).toContain('"signedIdentity": {"type":');
  });

  it.each(['legacy-p256', 'bundle-p256'])('is denied when its log is asked for, and it has none: %s', async (name) => {
    const members = { rekorPublicKeyPath: 'rekor', signedIdentity: { type: 'digestOnly' } };
    const answer = await pull(name, policyOf(requirementFor(name, members)));
    expectDenial(answer);
    expect(answer.error?.message).toContain('it has no log entry');
  });

  it('is denied when it has an attestation and no signature', async () => {
    const answer = await pull('attest-slsa-key', policyOf(requirementFor('attest-slsa-key', {})));
    expectDenial(answer);
    expect(answer.error?.hint).toContain('"predicateTypes": ["https://slsa.dev/provenance/v1"]');
  });

  // gh was content with an image that has no attestation at all.
  it('CVE-2025-25204: is denied without its signature', async () => {
    await push('legacy-p256', 'acme/unsigned', false);
    const answer = await pull('unsigned', policyOf(requirementFor('legacy-p256', {})), { image: 'legacy-p256' });
    expectDenial(answer);
    expect(answer.error?.message).toContain('no signature was found');
    expect(answer.error?.hint).toContain('cosign sign --key');
  });

  /** Runs `sealift verify`, whose answer is a result also when the policy denies the image. */
  async function verify(repository: string, requirement: Members, reference = bed.reference(`acme/${repository}:1.0`)) {
    const file = bed.newPath('policy.json');
    writeFileSync(file, policyOf(requirement));
    bed.proxy.setRules([]);
    const flags = ['--policy', file, '--platform', 'linux/amd64', '--tls-verify=false', '--json'];
    const { code, stdout } = await runCommand(SEALIFT, ['verify', ...flags, reference]);
    return { code, ...JSON.parse(stdout.toString()) };
  }

  // gh was content with an image that has no attestation at all.
  it('CVE-2025-25204: is verified with exit code 0 only when the policy accepts it, and without a request for a layer', async () => {
    const requirement = requirementFor('legacy-p256', {});
    await push('legacy-p256', 'acme/without-signature', false);
    const accepted = await verify('legacy-p256', requirement);
    expect(accepted).toMatchObject({ code: 0, schema: 1, result: { verdict: 'accepted', basis: 'signature' } });
    expect(accepted.result.policy.requirements[0].signatures).toMatchObject([
      { kind: 'sigstore-payload', verdict: 'accepted', author: { key: bed.scratch.join('p256') } },
    ]);
    const { blobs } = recordedRepository('legacy-p256');
    const layers = Object.keys(blobs).filter((digest) => blobs[digest]?.startsWith('base64:'));
    expect(bed.proxy.requests.filter(({ path }) => layers.some((digest) => path.endsWith(digest)))).toEqual([]);
    const others = requirementFor('legacy-p256', {}, 'p384');
    for (const [repository, asked] of [
      ['without-signature', requirement],
      ['legacy-p256', others],
    ] as const) {
      const { code, result } = await verify(repository, asked);
      expect([code, result.verdict, result.error.code]).toEqual([3, 'denied', 'POLICY_DENIED']);
    }
    const gone = await verify('legacy-p256', requirement, bed.reference('acme/legacy-p256:gone'));
    expect([gone.code, gone.error.code]).toEqual([6, 'REGISTRY_MANIFEST_UNKNOWN']);
  });

  it('is judged again when all layers are there', async () => {
    const [name, members] = IMAGES[0];
    const { store, error } = await pull(name, policyOf(requirementFor(name, members)));
    expect(error).toBeUndefined();
    const again = await pull(name, policyOf(requirementFor(name, members, 'p384')), { store });
    expect([again.error?.code, existsSync(again.bundle)]).toEqual(['POLICY_DENIED', false]);
  });

  it('runs by the policies of the recipe in docs/policy.md, each for one format', async () => {
    const [bundles, payloads, ...others] = policiesOf('my cosign key');
    if (bundles === undefined || payloads === undefined || others.length > 0) throw new Error('expected two policies');
    const adapt = (policy: string) =>
      policy
        .replaceAll('/etc/sealift/keys/cosign.pub', bed.scratch.join('p256'))
        .replaceAll('registry.example/team', `${bed.proxy.host}/acme`)
        .replaceAll(
          '{ "type": "matchRepository" }',
          JSON.stringify(requirementFor('legacy-p256', {})['signedIdentity']),
        );
    expect((await pull('bundle-p256', adapt(bundles))).error).toBeUndefined();
    expect((await pull('legacy-p256', adapt(payloads))).error).toBeUndefined();
    expectDenial(await pull('bundle-p256', adapt(payloads)));
  });

  /** A policy of a recipe, with the files and names of this test. */
  function adaptRecipe(policy: string, name: string): string {
    const { repository } = recordedRepository(name);
    return policy
      .replaceAll('/etc/sealift/keys/fulcio.pem', bed.scratch.join('fulcio'))
      .replaceAll('/etc/sealift/keys/rekor.pub', bed.scratch.join('rekor'))
      .replaceAll('/etc/sealift/keys/root.pem', bed.scratch.join('pki-root'))
      .replaceAll('/etc/sealift/keys/trusted_root.json', bed.scratch.join('trusted-root'))
      .replaceAll('registry.example/team', `${bed.proxy.host}/acme`)
      .replaceAll(
        '{ "type": "matchRepository" }',
        JSON.stringify({ type: 'exactRepository', dockerRepository: repository }),
      );
  }

  it('runs by the recipe for GitHub Actions by tag, and not by that for a branch', async () => {
    const [byTag = '', byBranch = '', ...others] = policiesOf('GitHub Actions, without a key');
    expect(others).toEqual([]);
    const { error, result } = await pull('legacy-keyless', adaptRecipe(byTag, 'legacy-keyless'));
    expect(error).toBeUndefined();
    expect(result['signers']).toMatchObject([
      {
        kind: 'sigstore-certificate',
        subject: 'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0',
        loggedAt: expect.stringMatching(/^2026-11-30T/),
      },
    ]);
    const denied = await pull('legacy-keyless', adaptRecipe(byBranch, 'legacy-keyless'));
    expectDenial(denied);
    expect(denied.error?.hint).toContain('if you trust this author, write "subjectURI": "https://github.com/acme/app/');
  });

  it('runs by the trusted root of docs/policy.md, and not for a branch', async () => {
    const [, section = ''] = DOCUMENT.split('### Trusted roots\n');
    const [, requirement = ''] = /```json\n(.*?)```/s.exec(section) ?? [];
    const root = requirement.replace('/etc/sealift/keys/trusted_root.json', bed.scratch.join('trusted-root'));
    expectDenial(await pull('bundle-keyless', policyOf(JSON.parse(root))));
    const byTag = root.replace('@refs/heads/main', '@refs/tags/*');
    const { error, result } = await pull('bundle-keyless', policyOf(JSON.parse(byTag)));
    expect(error).toBeUndefined();
    expect(result['signers']).toMatchObject([{ kind: 'sigstore-certificate', loggedAt: expect.any(String) }]);
  });

  it('runs by the recipe for attestations by GitHub, and not as a signature', async () => {
    const name = 'attest-slsa-keyless';
    const [policy = '', ...others] = policiesOf('attestations by GitHub');
    expect(others).toEqual([]);
    const adapted = adaptRecipe(policy, name);
    const { error, result } = await pull(name, adapted);
    expect(error).toBeUndefined();
    expect(result['signers']).toMatchObject([{ signedReference: recordedRepository(name).repository }]);
    const denied = await pull(name, adapted.replace('https://slsa.dev/provenance/v1', 'https://other.example'));
    expectDenial(denied);
    expect(denied.error?.hint).toContain('"predicateTypes": ["https://slsa.dev/provenance/v1"]');
  });

  it('runs by the recipe for an own authority, and not for another address', async () => {
    const [policy = '', ...others] = policiesOf('my own authority');
    expect(others).toEqual([]);
    const adapted = adaptRecipe(policy, 'legacy-pki');
    expect((await pull('legacy-pki', adapted)).error).toBeUndefined();
    expectDenial(await pull('legacy-pki', adapted.replace('release@acme.example', 'other@acme.example')));
  });
});
