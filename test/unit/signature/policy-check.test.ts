import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { ResourceLoader } from '../../../src/resources/index.ts';
import { examineKeys } from '../../../src/signature/checks/examine-keys.ts';
import { createKeyLoader } from '../../../src/signature/index.ts';
import { checkPolicyFile, type PolicyCheck } from '../../../src/signature/policy-check/index.ts';
import type { KeyExaminer } from '../../../src/signature/types.ts';
import { expectFailure } from '../../support/matchers.ts';
import { makeCertificate } from '../../support/signatures/certificate-builder.ts';
import { publicKey } from '../../support/signatures/sigstore-signatures.ts';
import { CHECKED_AT, signingKey } from '../../support/signatures/simple-signatures.ts';

const REJECT = [{ type: 'reject' }];
const ACCEPT = [{ type: 'insecureAcceptAnything' }];
const signedBy = (...keys: readonly string[]) => {
  return { type: 'signedBy', keyType: 'GPGKeys', keyPaths: keys.map((key) => `/gpg/${key}`) };
};
const sigstoreSigned = (members: object = {}) => {
  return { type: 'sigstoreSigned', keyPath: '/cosign/p256', signedIdentity: { type: 'matchRepository' }, ...members };
};

const AUTHORITY = makeCertificate({ subject: 'An authority' });
const EXPIRED_AUTHORITY = makeCertificate({ subject: 'An old authority', notAfter: new Date('2026-03-01T00:00:00Z') });
const TRUSTED_ROOT = readFileSync(new URL('../../../testdata/sigstore/trusted-root.json', import.meta.url));
const FILES: Readonly<Record<string, Uint8Array>> = {
  '/ca.pem': Buffer.from(AUTHORITY.pem),
  '/expired.pem': Buffer.from(EXPIRED_AUTHORITY.pem),
  '/both.pem': Buffer.from(AUTHORITY.pem + EXPIRED_AUTHORITY.pem),
  '/trusted_root.json': TRUSTED_ROOT,
  '/logs_only.json': Buffer.from(
    JSON.stringify({ ...JSON.parse(TRUSTED_ROOT.toString()), certificateAuthorities: [] }),
  ),
};

/** Serves the policy and, by their names, the keys of the test data. */
function resourcesWith(policy: string): ResourceLoader {
  return {
    load: async (uri) => {
      if (uri === '/policy.json') return Buffer.from(policy);
      const file = FILES[uri.replace('file://', '')];
      if (file !== undefined) return file;
      if (uri.startsWith('kbs:///secret/')) throw new TypeError(`must not be loaded: ${uri}`);
      const [, kind, name = ''] = uri.replace('file://', '').split('/');
      if (kind === 'gpg' && name !== 'absent') return signingKey(name);
      if (kind === 'cosign') return Buffer.from(publicKey(name));
      throw new SealiftError('POLICY_INVALID', `load key ${uri}: cannot be read`);
    },
  };
}

/** The keys that expire do so on 2026-06-01. */
const LATER = Date.parse('2026-07-01T00:00:00Z');

function check(policy: unknown, ...references: readonly string[]): Promise<PolicyCheck> {
  return checkAt(CHECKED_AT, policy, references);
}

function checkAt(nowMs: number, policy: unknown, references: readonly string[] = []): Promise<PolicyCheck> {
  const resources = resourcesWith(typeof policy === 'string' ? policy : JSON.stringify(policy));
  const keys = createKeyLoader({ resources, limits: DEFAULT_LIMITS });
  const limits = DEFAULT_LIMITS;
  const verifier: KeyExaminer = { examineKeys: (examination) => examineKeys({ ...examination, nowMs, limits }) };
  const ports = { resources, keys, limits, verifier };
  return checkPolicyFile({ file: '/policy.json', references }, ports, new AbortController().signal);
}

const docker = (scopes: object, rest: object = {}) => ({ default: REJECT, transports: { docker: scopes, ...rest } });
const team = (...requirements: readonly unknown[]) => docker({ 'registry.example/team': requirements });
const TEAM = 'transports.docker["registry.example/team"]';

describe('a policy without faults', () => {
  it('has no findings, and its keys are listed', async () => {
    const { findings, keys } = await check(team(signedBy('ed25519'), sigstoreSigned({ keyPath: '/cosign/p384' })));
    expect(findings.filter(({ status }) => status !== 'note')).toEqual([]);
    expect(keys).toEqual([
      {
        where: `${TEAM}[0]`,
        member: 'keyPaths',
        id: expect.stringMatching(/^[0-9A-F]{40}$/),
        algorithm: expect.stringContaining('ed25519'),
        expiresAt: undefined,
        problem: undefined,
      },
      {
        where: `${TEAM}[1]`,
        member: 'keyPath',
        id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        algorithm: 'P-384',
        expiresAt: undefined,
        problem: undefined,
      },
    ]);
  });

  it('lists the authorities and logs that certificates and trusted roots name', async () => {
    const identity = { oidcIssuer: 'https://issuer.example', subjectEmail: 'me@example.org' };
    const byFile = {
      type: 'sigstoreSigned',
      fulcio: { caPath: '/cosign/fulcio', ...identity },
      rekorPublicKeyPath: '/cosign/rekor',
    };
    const byRoot = { type: 'sigstoreSigned', fulcio: identity, trustedRootPath: '/cosign/trusted-root' };
    const own = {
      type: 'sigstoreSigned',
      pki: { caRootsPath: '/cosign/pki-root', caIntermediatesPath: '/cosign/pki-sub', subjectEmail: 'me@example.org' },
    };
    const { findings, keys } = await check(team(byFile, byRoot, own));
    expect(findings.filter(({ status }) => status !== 'note')).toEqual([]);
    const listed = (position: number) => keys.filter(({ where }) => where === `${TEAM}[${position}]`);
    const [authority, log] = listed(0);
    expect([authority?.member, log?.member]).toEqual(['caPath', 'rekorPublicKeyPath']);
    expect([authority?.expiresAt, log?.expiresAt]).toEqual([expect.stringMatching(/^2027-/), undefined]);
    // The log, the log of certificates, the issuer of certificates, and the timestamp authority.
    expect(listed(1)).toMatchObject([{ id: log?.id }, {}, { id: authority?.id }, { expiresAt: expect.any(String) }]);
    expect(listed(2)).toHaveLength(2);
  });

  it.each([
    ['a trusted root', { trustedRootPath: '/cosign/p256' }, 'policy: trusted root /cosign/p256: '],
    [
      'authorities',
      { keyPath: undefined, pki: { caRootsPath: '/cosign/p256', subjectEmail: 'me@example.org' } },
      'policy: certificates /cosign/p256: ',
    ],
  ])('fails for %s that cannot be read', async (_, members, text) => {
    const { findings } = await check(team(sigstoreSigned(members)));
    expect(findings.filter(({ status }) => status === 'fail')).toMatchObject([
      { check: 'key', where: `${TEAM}[0]`, detail: expect.stringContaining(text) },
    ]);
  });

  it('says when a key expires', async () => {
    const { keys } = await check(team(signedBy('expiring')));
    expect(keys[0]?.expiresAt).toMatch(/^2026-06-01T/);
  });

  it('is parsed as strictly as for a pull', async () => {
    await expectFailure('POLICY_INVALID', () => check('{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}'));
    await expectFailure('REFERENCE_INVALID', () => check({ default: REJECT }, 'UPPER'));
  });
});

describe('what fails in a policy', () => {
  it.each<[string, unknown, string, string, RegExp]>([
    ['a key that is not there', team(signedBy('absent')), 'key', `${TEAM}[0]`, /cannot be read/],
    ['an expired key', team(signedBy('expiring')), 'key', `${TEAM}[0]`, /^key [0-9A-F]{40} expired at 20/],
    ['a key whose signing subkey has expired', team(signedBy('expiring-subkey')), 'key', `${TEAM}[0]`, /expired at/],
    ['a revoked key', team(signedBy('revoked-with-certificate')), 'key', `${TEAM}[0]`, /is revoked$/],
    ['a weak key', team(signedBy('rsa1024')), 'key', `${TEAM}[0]`, /RSA of 1024 bits/],
    ['a key of a kind that is not used', team(signedBy('dsa2048')), 'key', `${TEAM}[0]`, /is of the kind/],
    ['a secret key', team(signedBy('secret')), 'key', `${TEAM}[0]`, /expected public keys, got a secret key/],
    ['a key of another format', team(sigstoreSigned({ keyPath: '/gpg/ed25519' })), 'key', `${TEAM}[0]`, /public key/],
    ['a log key that is not there', team(sigstoreSigned({ rekorPublicKeyPath: '/none' })), 'key', `${TEAM}[0]`, /none/],
    [
      'keys that no tool accepts',
      team({ ...signedBy('ed25519'), keyType: 'X509Certificates' }),
      'requirement',
      `${TEAM}[0]`,
      /keyType "X509Certificates" is implemented by no tool/,
    ],
    [
      'a signature of files by the name of the image',
      { default: REJECT, transports: { oci: { '/images': [sigstoreSigned()] } } },
      'requirement',
      'transports.oci["/images"][0]',
      /accepts no image: an image in files has no name, so that "matchRepository" accepts none/,
    ],
    [
      'simple signatures of files',
      { default: REJECT, transports: { oci: { '/images': [signedBy('ed25519')] } } },
      'requirement',
      'transports.oci["/images"][0]',
      /accepts no image/,
    ],
    [
      'signatures of a docker-archive',
      {
        default: REJECT,
        transports: { 'docker-archive': { '': [sigstoreSigned({ signedIdentity: { type: 'digestOnly' } })] } },
      },
      'requirement',
      'transports.docker-archive[""][0]',
      /has nothing beside its images/,
    ],
    [
      'a misspelt transport',
      { default: REJECT, transports: { dockre: { 'a.b': REJECT } } },
      'scope',
      'transports.dockre',
      /no tool/,
    ],
  ])('%s', async (_, policy, name, where, detail) => {
    const { findings } = await checkAt(LATER, policy);
    expect(findings.filter(({ status }) => status === 'fail')).toEqual([
      expect.objectContaining({ check: name, where, detail: expect.stringMatching(detail) }),
    ]);
  });

  it('is only a warning for a key beside one that can be used', async () => {
    const { findings, keys } = await check(team(signedBy('revoked-with-certificate', 'ed25519')));
    expect(findings.filter(({ check: name }) => name === 'key').map(({ status }) => status)).toEqual(['warn']);
    expect(keys).toHaveLength(2);
  });

  it('is each file that cannot be read, and no other key of the requirement is judged then', async () => {
    const { findings } = await check(team(signedBy('absent', 'revoked', 'absent')));
    expect(findings.filter(({ status }) => status === 'fail')).toHaveLength(2);
  });
});

describe('certificates and trusted roots', () => {
  const identity = { oidcIssuer: 'https://issuer.example', subjectEmail: 'a@example.org' };
  const keyless = (members: object, root: object) =>
    sigstoreSigned({ keyPath: undefined, fulcio: { ...identity, ...members }, ...root });
  const withLog = { rekorPublicKeyPath: '/cosign/rekor' };
  const pki = (caRootsPath: string) =>
    sigstoreSigned({ keyPath: undefined, pki: { caRootsPath, subjectEmail: 'a@example.org' } });

  const problems = async (requirement: object) => {
    const { findings, keys } = await check(team(requirement));
    const found = findings.filter(({ check: name }) => name === 'key');
    return { found: found.map(({ status, detail }) => `${status}: ${detail}`), keys: keys.length };
  };

  it('are listed with their ends', async () => {
    const { keys } = await check(team(pki('/ca.pem')));
    expect(keys).toEqual([
      {
        where: `${TEAM}[0]`,
        member: 'caRootsPath',
        id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        algorithm: 'P-256',
        expiresAt: '2036-01-01T00:00:00.000Z',
        problem: undefined,
      },
    ]);
    const root = await problems(keyless({}, { trustedRootPath: '/trusted_root.json' }));
    expect(root.found).toEqual([]);
    expect(root.keys).toBeGreaterThan(2);
  });

  it('fail when they have expired, and only warn where the time of a signature is proven', async () => {
    const expired = 'certificate "An old authority" expired at 2026-03-01T00:00:00.000Z; the clock says 2026-04-01';
    expect((await problems(pki('/expired.pem'))).found).toEqual([expect.stringContaining(`fail: ${expired}`)]);
    expect((await problems(pki('/both.pem'))).found).toEqual([expect.stringContaining(`warn: ${expired}`)]);
    const { found } = await problems(keyless({ caPath: '/expired.pem' }, withLog));
    expect(found).toEqual([expect.stringContaining(`warn: ${expired}`)]);
  });

  it('fail when they cannot be read, or are something else', async () => {
    for (const path of ['/none', '/cosign/p256', '/trusted_root.json']) {
      expect((await problems(pki(path))).found).toEqual([expect.stringMatching(/^fail: /)]);
    }
    for (const trustedRootPath of ['/none', '/cosign/p256', '/ca.pem', '/logs_only.json']) {
      expect((await problems(keyless({}, { trustedRootPath }))).found).toEqual([expect.stringMatching(/^fail: /)]);
    }
    // Only where nothing else names authorities.
    expect((await problems(sigstoreSigned({ trustedRootPath: '/logs_only.json' }))).found).toEqual([]);
  });
});

describe('scopes that no image can have', () => {
  it.each<[string, string | undefined]>([
    ['nginx', 'write "docker.io/library/nginx"'],
    ['library/nginx', 'write "docker.io/library/nginx"'],
    ['nginx:1.2', 'write "docker.io/library/nginx:1.2"'],
    ['index.docker.io/library/nginx', 'write "docker.io/library/nginx"'],
    ['myhost', 'write "docker.io/library/myhost"'],
    ['https://registry.example/team', 'write "registry.example/team"'],
    ['registry.example/team/', 'write "registry.example/team"'],
    ['https://nginx', 'write "docker.io/library/nginx"'],
    ['/', undefined],
    ['*', undefined],
    ['registry.example/Team', undefined],
    ['registry.example/*', 'write "registry.example"'],
    ['https://registry.example/team/*', 'write "registry.example/team"'],
    ['*.example.com:5000', undefined],
    ['*.example.com/team', undefined],
    ['registry.example/*:1', undefined],
    ['docker://registry.example/team', 'write "registry.example/team"'],
    [
      `registry.example/team/app:1@sha256:${'ab'.repeat(32)}`,
      `write "registry.example/team/app@sha256:${'ab'.repeat(32)}"`,
    ],
  ])('%s', async (scope, remedy) => {
    const { findings } = await check(docker({ [scope]: REJECT }));
    const where = `transports.docker["${scope}"]`;
    const detail = expect.stringContaining(`no image can have the scope "${scope}"`);
    expect(findings).toEqual([{ status: 'fail', check: 'scope', where, detail, remedy }]);
  });

  it.each([
    '',
    'docker.io',
    'docker.io/library',
    'docker.io/library/nginx',
    'docker.io/library/nginx:1.2',
    'docker.io/team',
    'localhost',
    'localhost:5000/app',
    'registry.example:443',
    '*.example.com',
    '*.com',
    '[2001:db8::1]:5000',
    `registry.example/app@sha256:${'ab'.repeat(32)}`,
  ])('are not: %s', async (scope) => {
    expect((await check(docker({ [scope]: REJECT }))).findings).toEqual([]);
  });
});

describe('what a policy lets run that most owners want verified', () => {
  it.each<[string, unknown, string]>([
    ['the default', { default: ACCEPT, transports: {} }, 'default'],
    ['all of a registry transport', docker({ '': ACCEPT }), 'transports.docker[""]'],
  ])('%s', async (_, policy, where) => {
    expect((await check(policy)).findings).toEqual([
      expect.objectContaining({ status: 'warn', check: 'default', where, remedy: expect.stringContaining('"reject"') }),
    ]);
  });

  it('is no scope of its own, and no default with a second requirement', async () => {
    expect((await check(docker({ 'registry.example/team': ACCEPT }))).findings).toEqual([]);
    const { findings } = await check({ default: [...ACCEPT, signedBy('ed25519')], transports: {} });
    expect(findings.map(({ check: name }) => name)).not.toContain('default');
  });

  it('is not what a reject stands beside', async () => {
    const { findings } = await check(team(...REJECT, ...ACCEPT));
    expect(findings).toMatchObject([{ status: 'warn', check: 'requirement', where: TEAM }]);
  });
});

describe('what is only noted', () => {
  const notes = async (policy: unknown) => {
    const { findings } = await check(policy);
    expect(findings.every(({ status }) => status === 'note')).toBe(true);
    return findings.map(({ check: name, detail }) => `${name}: ${detail}`);
  };

  it.each<[string, object, RegExp]>([
    ['digestOnly', sigstoreSigned({ signedIdentity: { type: 'digestOnly' } }), /podman, skopeo and image-rs refuse/],
    ['predicateTypes', sigstoreSigned({ predicateTypes: ['https://x'] }), /podman and skopeo refuse/],
    ['keyPaths', signedBy('ed25519'), /^portability: keyPaths: image-rs/],
    ['the log', sigstoreSigned({ rekorPublicKeyPath: '/cosign/rekor' }), /image-rs ignores it/],
    ['a URI', sigstoreSigned({ keyPath: 'file:///cosign/p256' }), /podman and skopeo take the URI for the path/],
    [
      'base64',
      sigstoreSigned({ keyPath: undefined, keyData: Buffer.from(publicKey('p256')).toString('base64') }),
      /image-rs/,
    ],
    ['the trusted root', sigstoreSigned({ trustedRootPath: '/trusted_root.json' }), /^portability: trustedRootPath/],
    ['PEM', sigstoreSigned({ keyPath: undefined, keyData: publicKey('p256') }), /podman and skopeo take base64 only/],
    ['a tag in cosign’s', sigstoreSigned({ signedIdentity: undefined }), /signatures by cosign name no tag/],
  ])('%s', async (_, requirement, expected) => {
    expect(await notes(team(requirement))).toEqual([expect.stringMatching(expected)]);
  });

  it.each<[string, object, RegExp[]]>([
    [
      'the armor of an OpenPGP key',
      { ...signedBy(), keyPaths: undefined, keyData: signingKey('ed25519-armored').toString() },
      [
        /^portability: keyData: podman and skopeo take base64 only/,
        /^portability: keyData: image-rs takes base64 only/,
      ],
    ],
    [
      'claims of Fulcio, with an authority by URI',
      sigstoreSigned({
        keyPath: undefined,
        fulcio: { caPath: 'file:///ca.pem', oidcIssuer: 'https://issuer.example', subjectURI: 'https://ci.example/x' },
        rekorPublicKeyData: publicKey('rekor'),
      }),
      [
        /^portability: fulcio\.caPath: podman and skopeo take the URI/,
        /^portability: rekorPublicKeyData: podman and skopeo take base64 only/,
        /^portability: fulcio\.subjectURI: a member of Sealift's own/,
        /^portability: fulcio: image-rs knows only keys/,
        /^portability: rekorPublicKeyData: image-rs ignores it/,
      ],
    ],
  ])('%s', async (_, requirement, expected) => {
    expect(await notes(team(requirement))).toEqual(expected.map((each) => expect.stringMatching(each)));
  });

  it('a key of the broker, which is not asked', async () => {
    const requirement = sigstoreSigned({ keyPath: 'kbs:///secret/key/cosign' });
    expect(await notes(team(requirement))).toEqual([
      expect.stringMatching(/^key: kbs:\/\/\/secret.*cannot be read here$/),
      expect.stringMatching(/^portability: keyPath/),
    ]);
  });

  it('a policy without transports, and transports of other tools', async () => {
    expect(await notes({ default: REJECT })).toEqual([expect.stringContaining('image-rs refuses the file')]);
    const policy = { default: REJECT, transports: { 'docker-daemon': { '': ACCEPT } } };
    expect(await notes(policy)).toEqual([expect.stringContaining('no images of the transport "docker-daemon"')]);
  });
});

describe('images that a policy is asked about', () => {
  const policy = docker(
    { 'registry.example/team': [signedBy('ed25519')], 'registry.example/team/app:bad': REJECT },
    { oci: { '/images': ACCEPT } },
  );

  it.each([
    ['registry.example/team/app:1', 'scope "registry.example/team"', 'signedBy'],
    ['docker://registry.example/team/app', 'scope "registry.example/team"', 'signedBy'],
    [`registry.example/team/app:bad@sha256:${'ab'.repeat(32)}`, 'scope "registry.example/team/app:bad"', 'reject'],
    ['nginx', 'default', 'reject'],
    ['oci:/images/app:1', 'scope "/images"', 'insecureAcceptAnything'],
  ])('%s', async (reference, scope, type) => {
    const { images } = await check(policy, reference);
    expect(images).toMatchObject([{ scope, requirements: [{ type }] }]);
  });

  it('are shown fully expanded, with the keys of their list', async () => {
    const { images } = await check(policy, 'registry.example/team/app', 'nginx');
    expect(images.map(({ reference }) => reference)).toEqual([
      'registry.example/team/app:latest',
      'docker.io/library/nginx:latest',
    ]);
    expect(images[0]?.requirements).toEqual([{ type: 'signedBy', keys: 'keyPaths /gpg/ed25519' }]);
  });
});
