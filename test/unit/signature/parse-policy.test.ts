import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parsePolicy, type Requirement } from '../../../src/signature/policy/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const root = new URL('../../../', import.meta.url);
const everyField = readFileSync(new URL('testdata/policies/every-field.json', root), 'utf8');

type Json = Readonly<Record<string, unknown>>;

/** JSON text of `value` in which the object key with the running number `repeated` is written twice. */
function withRepeatedKey(value: unknown, repeated: number): { text: string; keys: number } {
  let keys = 0;
  const write = (node: unknown): string => {
    if (Array.isArray(node)) return `[${node.map(write).join(',')}]`;
    if (typeof node !== 'object' || node === null) return JSON.stringify(node);
    const members = Object.entries(node).map(([key, member]) => {
      const times = keys++ === repeated ? 2 : 1;
      const text = `${JSON.stringify(key)}:${write(member)}`;
      return Array(times).fill(text).join(',');
    });
    return `{${members.join(',')}}`;
  };
  return { text: write(value), keys };
}

function parseRequirement(requirement: Json): Requirement | undefined {
  return parsePolicy(JSON.stringify({ default: [requirement] })).default[0];
}

/** Valid requirements; every breaker below changes one member of them. */
const VALID = {
  reject: { type: 'reject' },
  insecure: { type: 'insecureAcceptAnything' },
  signedBy: { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' },
  sigstore: { type: 'sigstoreSigned', keyPath: '/k' },
  fulcio: {
    type: 'sigstoreSigned',
    fulcio: { caPath: '/ca', oidcIssuer: 'https://i', subjectEmail: 'a@b' },
    rekorPublicKeyPath: '/r',
  },
  keyless: {
    type: 'sigstoreSigned',
    fulcio: { oidcIssuer: 'https://i', subjectURI: 'https://a/b@refs/tags/*' },
    trustedRootPath: '/root',
  },
  pki: { type: 'sigstoreSigned', pki: { caRootsPath: '/ca', subjectEmail: 'a@b' } },
} as const satisfies Record<string, Json>;

const identity = (signedIdentity: unknown): Json => ({ ...VALID.signedBy, signedIdentity });
const fulcio = (change: Json): Json => ({ ...VALID.fulcio, fulcio: { ...VALID.fulcio.fulcio, ...change } });
const keyless = (change: Json): Json => ({ ...VALID.keyless, fulcio: { ...VALID.keyless.fulcio, ...change } });
const pki = (change: Json): Json => ({ ...VALID.pki, pki: { ...VALID.pki.pki, ...change } });

describe('parsePolicy', () => {
  it('reads every field', () => {
    const policy = parsePolicy(everyField);
    expect(policy.default).toEqual([{ type: 'reject' }]);
    expect([...policy.transports.keys()]).toContain('a-transport-of-tomorrow');
    const docker = policy.transports.get('docker');
    expect(docker?.get('')).toEqual([{ type: 'insecureAcceptAnything' }]);
    expect(docker?.get('docker.io/library/busybox:latest')).toEqual([
      {
        type: 'signedBy',
        keyType: 'GPGKeys',
        keys: { kind: 'path', values: ['/etc/keys/busybox.gpg'] },
        signedIdentity: { type: 'matchExact' },
      },
      {
        type: 'signedBy',
        keyType: 'GPGKeys',
        keys: { kind: 'paths', values: ['/etc/keys/a.gpg', '/etc/keys/b.gpg'] },
        signedIdentity: { type: 'matchRepoDigestOrExact' },
      },
      {
        type: 'signedBy',
        keyType: 'signedByGPGKeys',
        keys: { kind: 'data', values: ['a2V5'] },
        signedIdentity: { type: 'exactReference', dockerReference: 'docker.io/library/busybox:latest' },
      },
    ]);
    expect(docker?.get('quay.io/org')?.[3]).toEqual({
      type: 'sigstoreSigned',
      trust: { kind: 'keys', keys: { kind: 'datas', values: ['a2V5', 'a2V5Mg=='] } },
      rekorKeys: { kind: 'datas', values: ['a2V5'] },
      trustedRoot: undefined,
      predicateTypes: [],
      signedIdentity: { type: 'remapIdentity', prefix: 'mirror.example.com:5000', signedPrefix: 'quay.io/org' },
    });
    expect(docker?.get('quay.io/org/attested')).toEqual([
      {
        type: 'sigstoreSigned',
        trust: { kind: 'keys', keys: { kind: 'path', values: ['/etc/keys/org.pub'] } },
        rekorKeys: undefined,
        trustedRoot: undefined,
        predicateTypes: ['https://slsa.dev/provenance/v1', 'https://spdx.dev/Document'],
        signedIdentity: { type: 'digestOnly' },
      },
    ]);
    expect(docker?.get('ghcr.io/org/app')?.[0]).toMatchObject({
      trust: {
        kind: 'fulcio',
        ca: { kind: 'path', values: ['/etc/fulcio.pem'] },
        identity: { oidcIssuer: 'https://issuer.example.com', subjectEmail: 'a@example.com' },
      },
    });
    expect(docker?.get('ghcr.io/org/keyless')).toMatchObject([
      {
        trust: {
          kind: 'fulcio',
          ca: undefined,
          identity: {
            oidcIssuer: 'https://token.actions.githubusercontent.com',
            subjectURI: 'https://github.com/org/app/.github/workflows/release.yml@refs/tags/*',
            buildSignerURI: 'https://github.com/org/app/.github/workflows/release.yml@refs/tags/*',
            sourceRepositoryURI: 'https://github.com/org/app',
            sourceRepositoryRef: 'refs/tags/*',
            runnerEnvironment: 'github-hosted',
          },
        },
        rekorKeys: undefined,
        trustedRoot: { kind: 'path', values: ['/etc/keys/trusted_root.json'] },
      },
      { trust: { kind: 'keys' }, trustedRoot: { kind: 'data', values: ['{"mediaType":"x"}'] } },
    ]);
    expect(docker?.get('registry.example.org')?.[1]).toMatchObject({
      trust: {
        kind: 'pki',
        roots: { kind: 'data', values: ['Y2E='] },
        intermediates: { kind: 'data', values: ['Y2E='] },
        subject: { subjectHostname: 'host.example.com' },
      },
      rekorKeys: undefined,
    });
  });

  it('reads a policy without transports', () => {
    expect(parsePolicy('{"default":[{"type":"reject"}]}').transports.size).toBe(0);
  });

  it.each(readdirSync(new URL('config/policies/', root)))('reads the shipped policy %s', (name) => {
    const policy = parsePolicy(readFileSync(new URL(`config/policies/${name}`, root)));
    const expected = name === 'lab-accept-anything.json' ? 'insecureAcceptAnything' : 'reject';
    expect(policy.default).toEqual([{ type: expected }]);
  });

  it('refuses any key that comes twice, at every depth', async () => {
    const document: unknown = JSON.parse(everyField);
    const { keys } = withRepeatedKey(document, -1);
    expect(keys).toBeGreaterThan(80);
    for (let repeated = 0; repeated < keys; repeated++) {
      await expectFailure('POLICY_INVALID', () => parsePolicy(withRepeatedKey(document, repeated).text));
    }
  });

  it.each(['misspelt-transports.json', 'default-twice.json'])('refuses %s', async (name) => {
    const raw = readFileSync(new URL(`testdata/policies/${name}`, root));
    await expectFailure('POLICY_INVALID', () => parsePolicy(raw));
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['a list', '[]'],
    ['null', 'null'],
    ['an empty object', '{}'],
    ['trailing data', '{"default":[{"type":"reject"}]}{}'],
    ['a comment', '{"default":[{"type":"reject"}]} // x'],
    ['a byte order mark', '\ufeff{"default":[{"type":"reject"}]}'],
    ['Default', '{"Default":[{"type":"reject"}]}'],
    ['an unknown key', '{"default":[{"type":"reject"}],"x":1}'],
    ['the key __proto__', '{"default":[{"type":"reject"}],"__proto__":{}}'],
    ['a default that is null', '{"default":null}'],
    ['a default that is an object', '{"default":{"type":"reject"}}'],
    ['an empty default', '{"default":[]}'],
    ['a requirement that is null', '{"default":[null]}'],
    ['a requirement that is a text', '{"default":["reject"]}'],
    ['a requirement that is a list', '{"default":[[]]}'],
    ['a requirement without type', '{"default":[{}]}'],
    ['transports that are null', '{"default":[{"type":"reject"}],"transports":null}'],
    ['transports that are a list', '{"default":[{"type":"reject"}],"transports":[]}'],
    ['a transport that is null', '{"default":[{"type":"reject"}],"transports":{"docker":null}}'],
    ['a transport that is a list', '{"default":[{"type":"reject"}],"transports":{"docker":[]}}'],
    ['a scope that is null', '{"default":[{"type":"reject"}],"transports":{"docker":{"":null}}}'],
    ['an empty scope', '{"default":[{"type":"reject"}],"transports":{"docker":{"":[]}}}'],
    ['an empty scope of an unknown transport', '{"default":[{"type":"reject"}],"transports":{"x":{"y":[]}}}'],
  ])('refuses a document that is or has %s', async (_, text) => {
    await expectFailure('POLICY_INVALID', () => parsePolicy(text));
  });

  it.each([
    ['docker', 'docker.io/library/busybox:latest', true],
    ['docker', '*.example.com', true],
    ['atomic', 'anything', true],
    ['oci', '/srv/images', true],
    ['oci', '/srv/images:tag', true],
    ['oci', '', true],
    ['oci', '/', false],
    ['oci', 'srv/images', false],
    ['oci', '/srv/images/', false],
    ['oci', '/srv//images', false],
    ['oci', '/srv/./images', false],
    ['dir', '/srv/../images', false],
    ['dir', '/srv/..', false],
    ['dir', '/srv', true],
    ['oci-archive', '/srv/a.tar', true],
    ['sif', 'a.sif', false],
    ['docker-archive', '', true],
    ['docker-archive', '/srv/a.tar', false],
    ['tarball', 'x', false],
    ['docker-daemon', `sha256:${'a'.repeat(64)}`, false],
    ['docker-daemon', 'docker.io/library/busybox:latest', true],
    ['containers-storage', '[overlay@/x]docker.io/library/busybox', true],
    ['containers-storage', 'docker.io/library/busybox', false],
    ['unheard-of', '//..', true],
  ])('judges a scope of %s: "%s" is valid: %s', async (transport, scope, valid) => {
    const text = JSON.stringify({
      default: [VALID.reject],
      transports: { [transport]: { [scope]: [VALID.reject] } },
    });
    if (valid) expect(parsePolicy(text).transports.get(transport)?.has(scope)).toBe(true);
    else await expectFailure('POLICY_INVALID', () => parsePolicy(text));
  });

  it.each(Object.entries(VALID))('reads the requirement that the breakers start from: %s', (_, requirement) => {
    expect(parseRequirement(requirement)?.type).toBe(requirement.type);
  });

  it.each<[string, Json]>([
    ['an unknown type', { type: 'signedByMagic' }],
    ['a type in other case', { type: 'Reject' }],
    ['a type that is a number', { type: 1 }],
    ['a type that is null', { type: null }],
    ['the type constructor', { type: 'constructor' }],
    ['reject with another key', { ...VALID.reject, keyPath: '/k' }],
    ['insecureAcceptAnything with another key', { ...VALID.insecure, unless: 'signed' }],
    // signedBy
    ['signedBy without keyType', { type: 'signedBy', keyPath: '/k' }],
    ['signedBy with an unknown keyType', { ...VALID.signedBy, keyType: 'SSHKeys' }],
    ['signedBy with an empty keyType', { ...VALID.signedBy, keyType: '' }],
    ['signedBy without key', { type: 'signedBy', keyType: 'GPGKeys' }],
    ['signedBy with keyPath and keyData', { ...VALID.signedBy, keyData: 'a2V5' }],
    ['signedBy with keyPath and keyPaths', { ...VALID.signedBy, keyPaths: ['/k'] }],
    ['signedBy with an empty keyPath', { ...VALID.signedBy, keyPath: '' }],
    ['signedBy with a keyPath that is null', { ...VALID.signedBy, keyPath: null }],
    ['signedBy with a keyPath that is a list', { ...VALID.signedBy, keyPath: ['/k'] }],
    ['signedBy with empty keyPaths', { type: 'signedBy', keyType: 'GPGKeys', keyPaths: [] }],
    ['signedBy with keyPaths that are a text', { type: 'signedBy', keyType: 'GPGKeys', keyPaths: '/k' }],
    ['signedBy with an empty path in keyPaths', { type: 'signedBy', keyType: 'GPGKeys', keyPaths: ['/k', ''] }],
    ['signedBy with keyData that is not base64', { type: 'signedBy', keyType: 'GPGKeys', keyData: 'a2V5=' }],
    ['signedBy with keyData in base64url', { type: 'signedBy', keyType: 'GPGKeys', keyData: '_-8=' }],
    ['signedBy with empty keyData', { type: 'signedBy', keyType: 'GPGKeys', keyData: '' }],
    ['signedBy with a key of sigstoreSigned', { ...VALID.signedBy, rekorPublicKeyPath: '/r' }],
    // sigstoreSigned
    ['sigstoreSigned without key', { type: 'sigstoreSigned' }],
    ['sigstoreSigned with keyType', { ...VALID.sigstore, keyType: 'GPGKeys' }],
    ['sigstoreSigned with keyPath and keyDatas', { ...VALID.sigstore, keyDatas: ['a2V5'] }],
    ['sigstoreSigned with keyPath and keyPaths', { ...VALID.sigstore, keyPaths: ['/k'] }],
    ['sigstoreSigned with keyPath and fulcio', { ...VALID.fulcio, keyPath: '/k' }],
    ['sigstoreSigned with keyPath and pki', { ...VALID.pki, keyPath: '/k' }],
    ['sigstoreSigned with fulcio and pki', { ...VALID.fulcio, pki: VALID.pki.pki }],
    ['sigstoreSigned with empty keyDatas', { type: 'sigstoreSigned', keyDatas: [] }],
    ['sigstoreSigned with empty predicateTypes', { ...VALID.sigstore, predicateTypes: [] }],
    ['sigstoreSigned with an empty predicate type', { ...VALID.sigstore, predicateTypes: [''] }],
    ['sigstoreSigned with a predicate type that is no list', { ...VALID.sigstore, predicateTypes: 'https://x' }],
    ['signedBy with predicateTypes', { ...VALID.signedBy, predicateTypes: ['https://x'] }],
    ['sigstoreSigned with two rekor keys', { ...VALID.sigstore, rekorPublicKeyPath: '/r', rekorPublicKeyData: 'a2V5' }],
    ['sigstoreSigned with empty rekorPublicKeyPaths', { ...VALID.sigstore, rekorPublicKeyPaths: [] }],
    ['sigstoreSigned with empty rekorPublicKeyDatas', { ...VALID.sigstore, rekorPublicKeyDatas: [] }],
    ['sigstoreSigned with rekorPublicKeyData that is no base64', { ...VALID.sigstore, rekorPublicKeyData: '%' }],
    // fulcio
    ['fulcio without rekor key', { type: 'sigstoreSigned', fulcio: VALID.fulcio.fulcio }],
    ['fulcio that is null', { ...VALID.fulcio, fulcio: null }],
    ['fulcio with another key', fulcio({ subjectUri: 'x' })],
    ['fulcio with an address and a URI', fulcio({ subjectURI: 'x' })],
    ['fulcio with a CA and a trusted root', { ...VALID.keyless, fulcio: VALID.fulcio.fulcio }],
    ['fulcio with nothing but a trusted root inside', keyless({ trustedRootPath: '/root' })],
    ['fulcio without CA and trusted root', { ...VALID.keyless, trustedRootPath: undefined }],
    ['fulcio without CA, with a log', { ...VALID.keyless, trustedRootPath: undefined, rekorPublicKeyPath: '/r' }],
    ['fulcio without an author', keyless({ subjectURI: undefined })],
    ['fulcio with a repository as its author', keyless({ subjectURI: undefined, sourceRepositoryURI: 'https://a' })],
    ['a trusted root beside a log', { ...VALID.keyless, rekorPublicKeyPath: '/r' }],
    [
      'a trusted root beside the key of a log',
      { ...VALID.sigstore, trustedRootPath: '/t', rekorPublicKeyData: 'a2V5' },
    ],
    ['two trusted roots', { ...VALID.keyless, trustedRootData: '{}' }],
    ['a trusted root that is no JSON', { ...VALID.sigstore, trustedRootData: 'x' }],
    ['a trusted root in PEM', { ...VALID.sigstore, trustedRootData: '-----BEGIN X-----' }],
    ['an empty trusted root', { ...VALID.sigstore, trustedRootPath: '' }],
    ['signedBy with a trusted root', { ...VALID.signedBy, trustedRootPath: '/t' }],
    ['fulcio with caPath and caData', fulcio({ caData: 'Y2E=' })],
    ['fulcio without CA', fulcio({ caPath: undefined })],
    ['fulcio without oidcIssuer', fulcio({ oidcIssuer: undefined })],
    ['fulcio with an empty oidcIssuer', fulcio({ oidcIssuer: '' })],
    ['fulcio without subjectEmail and anything like it', fulcio({ subjectEmail: undefined })],
    ['fulcio with an empty subjectEmail', fulcio({ subjectEmail: '' })],
    // pki
    ['pki with a rekor key', { ...VALID.pki, rekorPublicKeyPath: '/r' }],
    ['pki without roots', pki({ caRootsPath: undefined })],
    ['pki with both roots', pki({ caRootsData: 'Y2E=' })],
    ['pki with both intermediates', pki({ caIntermediatesPath: '/i', caIntermediatesData: 'Y2E=' })],
    ['pki without subject', pki({ subjectEmail: undefined })],
    ['pki with an empty subject', pki({ subjectEmail: '' })],
    ['pki with another key', pki({ oidcIssuer: 'https://i' })],
    // signedIdentity
    ['an identity that is null', identity(null)],
    ['an identity that is a text', identity('matchExact')],
    ['an identity without type', identity({})],
    ['an identity of unknown type', identity({ type: 'matchAnything' })],
    ['digestOnly with another key', identity({ type: 'digestOnly', dockerReference: 'x:1' })],
    ['matchExact with another key', identity({ type: 'matchExact', dockerReference: 'x' })],
    ['matchRepository with another key', identity({ type: 'matchRepository', prefix: 'x' })],
    ['exactReference without reference', identity({ type: 'exactReference' })],
    ['exactReference without tag', identity({ type: 'exactReference', dockerReference: 'docker.io/library/a' })],
    ['exactReference that does not parse', identity({ type: 'exactReference', dockerReference: 'UPPER:a' })],
    ['exactRepository with a tag', identity({ type: 'exactRepository', dockerRepository: 'docker.io/library/a:b' })],
    ['exactRepository that does not parse', identity({ type: 'exactRepository', dockerRepository: '' })],
    ['remapIdentity without signedPrefix', identity({ type: 'remapIdentity', prefix: 'a.b' })],
    ['remapIdentity with a tag', identity({ type: 'remapIdentity', prefix: 'a.b/c:d', signedPrefix: 'a.b' })],
    ['remapIdentity with a slash at the end', identity({ type: 'remapIdentity', prefix: 'a.b/', signedPrefix: 'a.b' })],
    ['remapIdentity with an empty prefix', identity({ type: 'remapIdentity', prefix: '', signedPrefix: 'a.b' })],
  ])('refuses %s', async (_, requirement) => {
    await expectFailure('POLICY_INVALID', () => parseRequirement(requirement));
  });

  const TAGS = 'https://a/b.yml@refs/tags/';
  it.each<[string, string, boolean]>([
    ['subjectURI', `${TAGS}v1`, true],
    ['subjectURI', `${TAGS}*`, true],
    ['subjectURI', `${TAGS}v1.*`, true],
    ['subjectURI', 'https://a/b.yml@refs/heads/release/*', true],
    ['subjectURI', '*', false],
    ['subjectURI', 'https://a/*', false],
    ['subjectURI', 'https://a/*@refs/tags/v1', false],
    ['subjectURI', `${TAGS}*.1`, false],
    ['subjectURI', `${TAGS}**`, false],
    ['subjectURI', 'https://a/b.yml@refs/*', false],
    ['subjectURI', 'https://a/b.yml@refs/tags*', false],
    ['subjectURI', 'https://a/b.yml@refs/pull/*', false],
    ['subjectURI', 'https://a/refs/tags/*', false],
    ['subjectURI', '', false],
    ['buildSignerURI', `${TAGS}*`, true],
    ['buildSignerURI', 'https://a/*', false],
    ['sourceRepositoryRef', 'refs/heads/main', true],
    ['sourceRepositoryRef', 'refs/tags/*', true],
    ['sourceRepositoryRef', 'refs/heads/release-*', true],
    ['sourceRepositoryRef', '*', false],
    ['sourceRepositoryRef', 'refs/*', false],
    ['sourceRepositoryRef', 'x/refs/tags/*', false],
    ['sourceRepositoryRef', '', false],
    ['sourceRepositoryURI', 'https://a', true],
    ['sourceRepositoryURI', `${TAGS}*`, false],
    ['runnerEnvironment', 'self-hosted', true],
    ['runnerEnvironment', '*', false],
  ])('%s in fulcio may be "%s": %s', async (member, text, valid) => {
    const requirement = keyless({ [member]: text });
    if (valid) expect(parseRequirement(requirement)?.type).toBe('sigstoreSigned');
    else await expectFailure('POLICY_INVALID', () => parseRequirement(requirement));
  });

  it.each([
    ['{"type":"reject","x":1}', ': unknown key "x"'],
    [
      '{"type":"rejct"}',
      '.type: expected one of "reject", "insecureAcceptAnything", "signedBy", "sigstoreSigned", got "rejct"',
    ],
    [
      '{"type":"signedBy","keyType":"GPGkeys","keyPath":"/k"}',
      '.keyType: expected one of "GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs", got "GPGkeys"',
    ],
    [
      '{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":"matchRepository"}',
      '.signedIdentity: expected an object, got "matchRepository"',
    ],
    [
      '{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"exactReference"}}',
      '.signedIdentity.dockerReference: expected a string, got nothing',
    ],
  ])('says where the mistake is, what was expected and what was there: %s', async (requirement, what) => {
    const text = `{"default":[{"type":"reject"}],"transports":{"docker":{"quay.io":[${requirement}]}}}`;
    const error = await expectFailure('POLICY_INVALID', () => parsePolicy(text));
    expect(error.message).toBe(`policy: transports.docker["quay.io"][0]${what}`);
  });

  it('says the line and the column of a mistake in the JSON', async () => {
    const error = await expectFailure('POLICY_INVALID', () =>
      parsePolicy('{\n  "default": [{ "type": "reject" }],\n}'),
    );
    expect(error.message).toBe('policy: line 3, column 1: expected a key');
  });
});
