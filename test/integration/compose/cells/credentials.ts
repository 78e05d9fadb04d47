import { asMe, auths, HONOURED, homeWith, IGNORED, insecure, PULLED, pem, REFUSED, type Row } from './cell.ts';

export const CREDENTIALS: readonly Row[] = [
  {
    what: 'credentials',
    name: ({ guarded }) => `${guarded}/app`,
    common: ({ guarded }) => ({ conf: insecure(guarded) }),
    effect: { ...PULLED, asked: ['guarded'], authorizations: [`guarded: ${asMe}`] },
    absence: { result: 'REGISTRY_AUTH_REJECTED', layerFetches: 0, authorizations: [] },
    cells: [
      {
        source: 'pull.authfile',
        says: (servers) => ({ pull: `insecure_policy = true\nauthfile = "${auths(servers.guarded, servers)}"` }),
        verdicts: HONOURED,
      },
      {
        source: 'image.authenticated_registry_credentials_uri',
        says: (servers) => {
          const uri = `file://${auths(servers.guarded, servers)}`;
          return { toml: `[image]\nauthenticated_registry_credentials_uri = "${uri}"` };
        },
        verdicts: HONOURED,
      },
      {
        source: 'the variable of confidential-data-hub, which its unit sets',
        says: (servers) => ({
          environment: {
            CDH_DEFAULT_IMAGE_AUTHENTICATED_REGISTRY_CREDENTIALS: `file://${auths(servers.guarded, servers)}`,
          },
        }),
        verdicts: HONOURED,
      },
      {
        source: 'a credential helper that pull.authfile names',
        says: ({ guarded, write }) => {
          const path = write('auth.json', JSON.stringify({ credHelpers: { [guarded]: 'some' }, credsStore: 'all' }));
          return { pull: `insecure_policy = true\nauthfile = "${path}"` };
        },
        verdicts: IGNORED,
      },
      {
        source: 'the environment',
        says: (servers) => ({ environment: { SEALIFT_PULL_AUTHFILE: auths(servers.guarded, servers) } }),
        verdicts: REFUSED,
      },
      {
        source: 'the environment, in the words of other tools',
        says: (servers) => ({ environment: { REGISTRY_AUTH_FILE: auths(servers.guarded, servers) } }),
        verdicts: IGNORED,
        remark: 'REGISTRY_AUTH_FILE: ignored',
      },
      {
        source: 'the kernel command line',
        says: (servers) => ({ kernel: `agent.image_registry_auth=file://${auths(servers.guarded, servers)}` }),
        verdicts: REFUSED,
      },
      {
        source: 'imagepuller.toml',
        says: ({ guarded }) => ({
          imagepuller: `[registries."${guarded}"]\nusername = "me"\npassword = "secret"`,
        }),
        verdicts: ['honoured', 'ignored'],
      },
      {
        source: 'a file in the home directory',
        says: (servers) => {
          const text = JSON.stringify({ auths: { [servers.guarded]: { username: 'me', password: 'secret' } } });
          return homeWith(servers, '.config/containers/auth.json', text);
        },
        verdicts: IGNORED,
      },
    ],
  },
  {
    what: 'a registry token',
    name: ({ tokens }) => `${tokens}/app`,
    common: ({ tokens }) => ({ conf: insecure(tokens) }),
    effect: { ...PULLED, asked: ['tokens'], authorizations: ['tokens: Bearer let-me-in'] },
    absence: { result: 'REGISTRY_AUTH_REJECTED', layerFetches: 0, authorizations: [] },
    cells: [
      {
        source: 'pull.authfile',
        says: ({ tokens, write }) => {
          const path = write('auth.json', JSON.stringify({ auths: { [tokens]: { registrytoken: 'let-me-in' } } }));
          return { pull: `insecure_policy = true\nauthfile = "${path}"` };
        },
        verdicts: HONOURED,
      },
      {
        source: 'imagepuller.toml',
        says: ({ tokens }) => ({ imagepuller: `[registries."${tokens}"]\nregistrytoken = "let-me-in"` }),
        verdicts: ['honoured', 'ignored'],
      },
    ],
  },
  {
    what: 'measured credentials on a way that the host has chosen',
    name: ({ secureGuarded }) => `${secureGuarded}/app`,
    common: (servers) => ({
      pull: `insecure_policy = true
authfile = "${auths(servers.secureGuarded, servers)}"
extra_root_certificates = [${pem(servers.authority)}]`,
    }),
    // The setting of the host counts where the owner has not set it.
    effect: { result: 'CONFIG_CLASS_REFUSED', asked: [], authorizations: [] },
    absence: { ...PULLED, asked: ['guarded'], authorizations: [`guarded: ${asMe}`] },
    cells: [
      {
        source: 'no check of certificates in the environment',
        says: () => ({ environment: { SEALIFT_PULL_TLS_VERIFY: 'false' } }),
        verdicts: HONOURED,
      },
      {
        source: 'no check of certificates in imagepuller.toml',
        says: ({ secureGuarded }) => ({
          imagepuller: `[registries."${secureGuarded}"]\ninsecure-skip-verify = true`,
        }),
        verdicts: HONOURED,
      },
      {
        source: 'a proxy on the kernel command line',
        says: ({ proxy }) => ({ kernel: `agent.https_proxy=${proxy}` }),
        verdicts: HONOURED,
      },
      {
        source: 'a proxy in the environment',
        says: ({ proxy }) => ({ environment: { HTTPS_PROXY: proxy } }),
        verdicts: HONOURED,
      },
      {
        source: 'a proxy in imagepuller.toml',
        says: ({ proxy }) => ({ imagepuller: `[extra-env]\nHTTPS_PROXY = "${proxy}"` }),
        verdicts: HONOURED,
      },
      {
        source: 'another authority in imagepuller.toml, beside one of the owner',
        says: ({ secureGuarded }) => ({ imagepuller: `[registries."${secureGuarded}"]\nca-certs = "none"` }),
        verdicts: IGNORED,
      },
      {
        source: 'other credentials in imagepuller.toml',
        says: ({ secureGuarded }) => ({ imagepuller: `[registries."${secureGuarded}"]\nusername = "host"` }),
        verdicts: IGNORED,
      },
      {
        source: 'a mirror in imagepuller.toml that wants some, which gets none',
        says: ({ secureGuarded, guarded }) => ({
          imagepuller: `[registries."${secureGuarded}"]\nmirror = "http://${guarded}"`,
        }),
        verdicts: IGNORED,
      },
    ],
  },
];
