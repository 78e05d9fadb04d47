import { HONOURED, homeWith, IGNORED, insecure, PULLED, REFUSED, type Row } from './cell.ts';

const REJECT = JSON.stringify({ default: [{ type: 'reject' }] });
const ACCEPT = JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] });

export const POLICIES: readonly Row[] = [
  {
    what: 'a policy that rejects',
    name: ({ own }) => `${own}/app`,
    common: ({ own }) => ({ conf: insecure(own) }),
    effect: { result: 'POLICY_DENIED', layerFetches: 0 },
    absence: PULLED,
    cells: [
      {
        source: 'pull.policy',
        says: ({ write }) => ({ pull: `policy = "${write('policy.json', REJECT)}"` }),
        verdicts: HONOURED,
      },
      {
        source: 'image.image_security_policy',
        says: () => ({ pull: '', toml: `[image]\nimage_security_policy = '${REJECT}'` }),
        verdicts: HONOURED,
      },
      {
        source: 'image.image_security_policy_uri',
        says: ({ write }) => ({
          pull: '',
          toml: `[image]\nimage_security_policy_uri = "file://${write('policy.json', REJECT)}"`,
        }),
        verdicts: HONOURED,
      },
      {
        source: 'the environment',
        says: ({ write }) => ({ environment: { SEALIFT_PULL_POLICY: write('policy.json', REJECT) } }),
        verdicts: REFUSED,
      },
      {
        source: 'the kernel command line',
        says: ({ write }) => ({
          kernel: `agent.enable_signature_verification=true agent.image_policy_file=file://${write('p.json', REJECT)}`,
        }),
        verdicts: REFUSED,
      },
      {
        source: 'imagepuller.toml',
        says: () => ({ imagepuller: `image_security_policy = '${REJECT}'` }),
        verdicts: REFUSED,
      },
      {
        source: 'a file in the home directory',
        says: (servers) => homeWith(servers, '.config/containers/policy.json', REJECT),
        verdicts: IGNORED,
      },
    ],
  },
  {
    what: 'a policy that accepts anything',
    name: ({ own }) => `${own}/app`,
    common: ({ own }) => ({ conf: insecure(own), pull: '' }),
    effect: PULLED,
    absence: {
      'pinned by digest': PULLED,
      'a tag that policy accepts unsigned': { result: 'POLICY_TAG_UNPINNED', layerFetches: 0 },
    },
    cells: [
      { source: 'pull.insecure_policy', says: () => ({ pull: 'insecure_policy = true' }), verdicts: HONOURED },
      {
        source: 'image.image_security_policy',
        says: () => ({ toml: `[image]\nimage_security_policy = '${ACCEPT}'` }),
        verdicts: HONOURED,
      },
      {
        source: 'the environment',
        says: () => ({ environment: { SEALIFT_PULL_INSECURE_POLICY: 'true' } }),
        verdicts: REFUSED,
      },
      {
        source: 'the kernel command line',
        says: () => ({ kernel: 'agent.enable_signature_verification=false' }),
        verdicts: IGNORED,
      },
      {
        source: 'imagepuller.toml',
        says: () => ({ imagepuller: '[pull]\ninsecure_policy = true' }),
        verdicts: REFUSED,
      },
      {
        source: 'a file in the home directory',
        says: (servers) => homeWith(servers, '.config/containers/policy.json', ACCEPT),
        verdicts: IGNORED,
      },
    ],
  },
];
