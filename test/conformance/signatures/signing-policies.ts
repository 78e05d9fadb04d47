export interface KeyFiles {
  /** `HOST:PORT/app` */
  readonly repository: string;
  /** Returns the path of a key ring with these users' keys. */
  path(...users: readonly string[]): string;
  /** The same in base64. */
  data(user: string): string;
}

export interface SigningPolicy {
  readonly title: string;
  readonly document: (files: KeyFiles) => unknown;
}

const signedBy = (keyPath: string, signedIdentity?: unknown) => ({
  ...{ type: 'signedBy', keyType: 'GPGKeys', keyPath },
  ...(signedIdentity === undefined ? {} : { signedIdentity }),
});

const REJECT = { type: 'reject' };
const ACCEPT = { type: 'insecureAcceptAnything' };

function byAlice(title: string, identity?: (repository: string) => unknown): SigningPolicy {
  return {
    title,
    document: ({ repository, path }) => ({ default: [signedBy(path('alice'), identity?.(repository))] }),
  };
}

export const SIGNED_BY_ALICE: SigningPolicy = byAlice('signedBy');

/** The rules for names. */
export const IDENTITY_POLICIES: readonly SigningPolicy[] = [
  SIGNED_BY_ALICE,
  byAlice('matchExact', () => ({ type: 'matchExact' })),
  byAlice('matchRepoDigestOrExact', () => ({ type: 'matchRepoDigestOrExact' })),
  byAlice('matchRepository', () => ({ type: 'matchRepository' })),
  byAlice('exactReference', (repository) => ({ type: 'exactReference', dockerReference: `${repository}:1` })),
  byAlice('exactReference of another', () => ({ type: 'exactReference', dockerReference: 'signed.example/app:1' })),
  byAlice('exactRepository', (repository) => ({ type: 'exactRepository', dockerRepository: repository })),
  byAlice('remapIdentity', (repository) => ({
    type: 'remapIdentity',
    prefix: repository.replace(/\/.*$/, ''),
    signedPrefix: 'signed.example',
  })),
  byAlice('remapIdentity of another prefix', (repository) => ({
    type: 'remapIdentity',
    prefix: repository.slice(0, -1),
    signedPrefix: 'signed.example/ap',
  })),
];

/** Lists, scopes and keys. */
export const OTHER_POLICIES: readonly SigningPolicy[] = [
  { title: 'a policy that accepts', document: () => ({ default: [ACCEPT] }) },
  { title: 'a policy that rejects', document: () => ({ default: [REJECT] }) },
  { title: 'another key', document: ({ path }) => ({ default: [signedBy(path('bob'))] }) },
  { title: 'both keys', document: ({ path }) => ({ default: [signedBy(path('alice')), signedBy(path('bob'))] }) },
  { title: 'one of two keys', document: ({ path }) => ({ default: [signedBy(path('bob', 'alice'))] }) },
  { title: 'signedBy and acceptance', document: ({ path }) => ({ default: [ACCEPT, signedBy(path('alice'))] }) },
  { title: 'signedBy and rejection', document: ({ path }) => ({ default: [signedBy(path('alice')), REJECT] }) },
  {
    title: 'keyData',
    document: ({ data }) => ({ default: [{ type: 'signedBy', keyType: 'GPGKeys', keyData: data('alice') }] }),
  },
  {
    title: 'a scope for the repository',
    document: ({ repository, path }) => ({
      default: [REJECT],
      transports: { docker: { [repository]: [signedBy(path('alice'))] } },
    }),
  },
  {
    title: 'a scope for the host that accepts',
    document: ({ repository, path }) => ({
      default: [signedBy(path('bob'))],
      transports: { docker: { [repository.replace(/\/.*$/, '')]: [ACCEPT] } },
    }),
  },
  {
    title: 'a scope for another repository',
    document: ({ repository, path }) => ({
      default: [REJECT],
      transports: { docker: { [`${repository}lication`]: [signedBy(path('alice'))] } },
    }),
  },
  { title: 'a key file that is not there', document: () => ({ default: [signedBy('/nonexistent.gpg')] }) },
  { title: 'a key file without keys', document: ({ path }) => ({ default: [signedBy(path())] }) },
];

/** The policy for messages of all users. */
export const ALL_USERS = ['alice', 'ecdsa', 'rsa', 'subkey', 'expired', 'revoked'];
export const SIGNED_BY_ALL: SigningPolicy = {
  title: 'signedBy, all keys',
  document: ({ path }) => ({ default: [signedBy(path(...ALL_USERS))] }),
};
