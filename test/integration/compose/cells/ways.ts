import {
  type Cell,
  HONOURED,
  homeWith,
  IGNORED,
  inline,
  insecure,
  PINNED_ONLY,
  PULLED,
  pem,
  REFUSED,
  type Row,
  type Seen,
} from './cell.ts';

const PROXIED: Seen = { ...PULLED, asked: ['own', 'proxy'] };

export const WAYS: readonly Row[] = [
  {
    what: 'an authority that certificates are checked with',
    name: ({ secure }) => `${secure}/app`,
    common: () => ({}),
    effect: { ...PULLED, asked: ['own'] },
    absence: { result: 'HTTP_UNAVAILABLE', asked: [] },
    cells: [
      {
        source: 'pull.extra_root_certificates',
        says: ({ authority }) => ({ pull: `insecure_policy = true\nextra_root_certificates = [${pem(authority)}]` }),
        verdicts: HONOURED,
      },
      {
        source: 'image.extra_root_certificates',
        says: ({ authority }) => ({ toml: `[image]\nextra_root_certificates = [${pem(authority)}]` }),
        verdicts: HONOURED,
      },
      {
        source: 'pull.certs_d',
        says: ({ authority, secure, write }) => {
          const path = write(`certs.d/${secure}/ca.crt`, authority).slice(0, -`/${secure}/ca.crt`.length);
          return { pull: `insecure_policy = true\ncerts_d = "${path}"` };
        },
        verdicts: HONOURED,
      },
      {
        source: 'the environment',
        says: ({ authority }) => ({ environment: { SEALIFT_PULL_EXTRA_ROOT_CERTIFICATES: authority } }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own'],
      },
      {
        source: 'the environment, as a folder',
        says: () => ({ environment: { SEALIFT_PULL_CERTS_D: '/certs.d' } }),
        verdicts: REFUSED,
      },
      {
        source: 'imagepuller.toml',
        says: ({ authority, secure }) => ({ imagepuller: `[registries."${secure}"]\nca-certs = ${pem(authority)}` }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own'],
      },
      {
        source: 'a folder in the home directory',
        says: (servers) => homeWith(servers, `.config/containers/certs.d/${servers.secure}/ca.crt`, servers.authority),
        verdicts: IGNORED,
      },
    ],
  },
  {
    what: 'no check of certificates',
    name: ({ secure }) => `${secure}/app`,
    common: () => ({}),
    effect: { ...PULLED, asked: ['own'] },
    absence: { result: 'HTTP_UNAVAILABLE', asked: [] },
    cells: [
      {
        source: 'pull.tls_verify',
        says: () => ({ pull: 'insecure_policy = true\ntls_verify = false' }),
        verdicts: HONOURED,
      },
      { source: 'pull.registries_conf', says: ({ secure }) => ({ conf: insecure(secure) }), verdicts: HONOURED },
      {
        source: 'the environment',
        says: () => ({ environment: { SEALIFT_PULL_TLS_VERIFY: 'false' } }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own'],
      },
      {
        source: 'the environment, in the words of Node',
        says: () => ({ environment: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } }),
        verdicts: IGNORED,
      },
      {
        source: 'imagepuller.toml',
        says: ({ secure }) => ({ imagepuller: `[registries."${secure}"]\ninsecure-skip-verify = true` }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own'],
      },
    ],
  },
  {
    what: 'a mirror',
    name: ({ own }) => `${own}/app`,
    common: ({ own }) => ({ conf: insecure(own) }),
    effect: { ...PULLED, asked: ['mirror'] },
    absence: { ...PULLED, asked: ['own'] },
    cells: [
      {
        source: 'pull.registries_conf',
        says: ({ own, mirror }) => ({
          conf: `${insecure(own)}\n[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true`,
        }),
        verdicts: HONOURED,
      },
      {
        source: 'image.registry_config',
        says: ({ own, mirror }) => ({
          conf: undefined,
          toml: `${inline(own, '')}\n[[image.registry_config.registry.mirror]]\nlocation = "${mirror}"\ninsecure = true`,
        }),
        verdicts: HONOURED,
      },
      {
        source: 'imagepuller.toml',
        says: ({ own, mirror }) => ({ imagepuller: `[registries."${own}"]\nmirror = "http://${mirror}"` }),
        verdicts: ['honoured', 'ignored'],
      },
      {
        source: 'a file in the home directory',
        says: (servers) => {
          const conf = `${insecure(servers.own)}\n[[registry.mirror]]\nlocation = "${servers.mirror}"\ninsecure = true`;
          return homeWith(servers, '.config/containers/registries.conf', conf);
        },
        verdicts: IGNORED,
      },
    ],
  },
  {
    what: 'a proxy',
    name: ({ distant }) => `${distant}/app`,
    common: ({ distant }) => ({ conf: insecure(distant) }),
    effect: PROXIED,
    absence: { ...PULLED, asked: ['own'] },
    cells: [
      ...(['pull.proxy', 'image.image_pull_proxy'] as const).map((table): Cell => {
        const [https, http] = table === 'pull.proxy' ? ['https', 'http'] : ['https_proxy', 'http_proxy'];
        return {
          source: table,
          says: ({ proxy }) => ({ toml: `[${table}]\n${https} = "${proxy}"\n${http} = "${proxy}"` }),
          verdicts: HONOURED,
        };
      }),
      {
        source: 'the kernel command line',
        says: ({ proxy }) => ({ kernel: `agent.https_proxy=${proxy} agent.http_proxy=${proxy}` }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own', 'proxy'],
      },
      ...[
        ['SEALIFT_PULL_PROXY_HTTPS', 'SEALIFT_PULL_PROXY_HTTP'],
        ['HTTPS_PROXY', 'HTTP_PROXY'],
        ['https_proxy', 'http_proxy'],
        ['ALL_PROXY'],
      ].map(
        (names): Cell => ({
          source: `the environment as ${names.join(' and ')}`,
          says: ({ proxy }) => ({ environment: Object.fromEntries(names.map((name) => [name, proxy])) }),
          verdicts: PINNED_ONLY,
          askedBefore: ['own', 'proxy'],
        }),
      ),
      {
        source: 'imagepuller.toml',
        says: ({ proxy }) => ({ imagepuller: `[extra-env]\nHTTPS_PROXY = "${proxy}"\nHTTP_PROXY = "${proxy}"` }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own', 'proxy'],
      },
      {
        source: 'the owner, whatever the host says besides',
        says: ({ proxy, otherProxy }) => ({
          toml: `[pull.proxy]\nhttps = "${proxy}"\nhttp = "${proxy}"\nno_proxy = "a.invalid"`,
          environment: { HTTPS_PROXY: otherProxy, HTTP_PROXY: otherProxy, NO_PROXY: '*' },
          kernel: `agent.https_proxy=${otherProxy} agent.no_proxy=*`,
          imagepuller: `[extra-env]\nHTTPS_PROXY = "${otherProxy}"\nNO_PROXY = "*"`,
        }),
        verdicts: HONOURED,
      },
    ],
  },
  {
    what: 'an exception from the proxy',
    name: ({ distant }) => `${distant}/app`,
    common: ({ distant, proxy }) => ({
      conf: insecure(distant),
      toml: `[pull.proxy]\nhttps = "${proxy}"\nhttp = "${proxy}"\n`,
    }),
    effect: { ...PULLED, asked: ['own'] },
    absence: PROXIED,
    cells: [
      {
        source: 'pull.proxy.no_proxy',
        says: ({ proxy }) => ({ toml: `[pull.proxy]\nhttps = "${proxy}"\nhttp = "${proxy}"\nno_proxy = "0.0.0.0/8"` }),
        verdicts: HONOURED,
      },
      {
        source: 'the kernel command line',
        says: () => ({ kernel: 'agent.no_proxy=0.0.0.0/8' }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own'],
      },
      {
        source: 'the environment',
        says: () => ({ environment: { NO_PROXY: '*' } }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own'],
      },
      {
        source: 'imagepuller.toml',
        says: () => ({ imagepuller: '[extra-env]\nNO_PROXY = "0.0.0.0"' }),
        verdicts: PINNED_ONLY,
        askedBefore: ['own'],
      },
    ],
  },
];
