import { dirname } from 'node:path';
import type { CellServers } from '../../../support/beds/cell-bed.ts';
import { signingKey } from '../../../support/signatures/simple-signatures.ts';
import {
  HONOURED,
  homeWith,
  IGNORED,
  inline,
  insecure,
  PULLED,
  REFUSED,
  type Row,
  registry,
  type Seen,
} from './cell.ts';

/** A row for what only the owner may set in registries.conf; the cells are the same for each of them. */
function registriesRow(what: string, effect: Seen, lines: (servers: CellServers) => string): Row {
  const whole = (servers: CellServers) => `${registry(servers.own, lines(servers))}\ninsecure = true`;
  return {
    what,
    name: ({ own }) => `${own}/app`,
    common: ({ own }) => ({ conf: insecure(own) }),
    effect,
    absence: { ...PULLED, asked: ['own'] },
    cells: [
      { source: 'pull.registries_conf', says: (servers) => ({ conf: whole(servers) }), verdicts: HONOURED },
      {
        source: 'pull.registries_conf_d',
        says: (servers) => {
          const path = servers.write('conf.d/50.conf', whole(servers)).replace(/\/50.conf$/, '');
          return { pull: `insecure_policy = true\nregistries_conf_d = "${path}"` };
        },
        verdicts: HONOURED,
      },
      {
        source: 'image.registry_config',
        says: (servers) => ({ conf: undefined, toml: inline(servers.own, lines(servers)) }),
        verdicts: HONOURED,
      },
      {
        source: 'image.registry_configuration_uri',
        says: (servers) => ({
          conf: undefined,
          toml: `[image]\nregistry_configuration_uri = "file://${servers.write('r.toml', whole(servers))}"`,
        }),
        verdicts: HONOURED,
      },
      {
        source: 'the environment',
        says: (servers) => ({ environment: { SEALIFT_PULL_REGISTRIES_CONF: servers.write('r.conf', whole(servers)) } }),
        verdicts: REFUSED,
      },
      {
        source: 'the environment, in the words of other tools',
        says: (servers) => ({ environment: { CONTAINERS_REGISTRIES_CONF: servers.write('r.conf', whole(servers)) } }),
        verdicts: IGNORED,
        remark: 'CONTAINERS_REGISTRIES_CONF: ignored',
      },
      {
        source: 'a file in the home directory',
        says: (servers) => homeWith(servers, '.config/containers/registries.conf', whole(servers)),
        verdicts: IGNORED,
      },
      {
        source: 'imagepuller.toml, for the registry',
        says: (servers) => ({ imagepuller: `[registries."${servers.own}"]\n${lines(servers).split('\n')[0]}` }),
        verdicts: IGNORED,
        remark: 'unknown setting, ignored',
      },
      {
        source: 'imagepuller.toml, as in registries.conf',
        says: (servers) => ({ imagepuller: whole(servers) }),
        verdicts: IGNORED,
        remark: 'registry: unknown setting, ignored',
      },
    ],
  };
}

const SIGNED_BY = { type: 'signedBy', keyType: 'GPGKeys', keyData: signingKey('ed25519').toString('base64') };

/** Lines of `[pull]` with a policy that looks at signatures. */
const mustBeSigned = ({ write }: CellServers) =>
  `policy = "${write('policy.json', JSON.stringify({ default: [SIGNED_BY] }))}"\n`;
/** A registries.d with a store that asks for a password. */
const storeAt = ({ guarded }: CellServers) => `default-docker:\n  lookaside: http://${guarded}/sigs\n`;

export const NAMES: readonly Row[] = [
  registriesRow(
    'blocked',
    { result: 'REGISTRY_BLOCKED', asked: [] },
    ({ own }) => `blocked = true\nlocation = "${own}"`,
  ),
  registriesRow(
    'another location',
    { ...PULLED, asked: ['elsewhere'] },
    ({ elsewhere }) => `location = "${elsewhere}"`,
  ),
  {
    what: 'a list of registries to search',
    name: () => 'app',
    common: ({ own }) => ({ conf: registry('docker.io/library', `location = "${own}"\ninsecure = true`) }),
    effect: { result: 'REFERENCE_UNQUALIFIED', asked: [] },
    absence: { ...PULLED, asked: ['own'] },
    cells: [
      {
        source: 'pull.registries_conf',
        says: ({ own }) => ({
          conf: `unqualified-search-registries = ["${own}"]\n${registry('docker.io/library', `location = "${own}"`)}`,
        }),
        verdicts: HONOURED,
      },
      {
        source: 'the environment, in the words of other tools',
        says: ({ own, write }) => {
          const path = write('r.conf', `unqualified-search-registries = ["${own}"]`);
          return { environment: { CONTAINERS_REGISTRIES_CONF: path } };
        },
        verdicts: IGNORED,
        remark: 'CONTAINERS_REGISTRIES_CONF: ignored',
      },
      {
        source: 'imagepuller.toml',
        says: ({ elsewhere }) => ({ imagepuller: `unqualified-search-registries = ["${elsewhere}"]` }),
        verdicts: IGNORED,
        remark: 'unqualified-search-registries: unknown setting, ignored',
      },
    ],
  },
  {
    what: 'where signatures are looked for',
    name: ({ own }) => `${own}/app`,
    common: (servers) => ({ conf: insecure(servers.own), pull: mustBeSigned(servers) }),
    // The store answers without being asked for a password again, so nothing is known of the image.
    effect: { result: 'SIGNATURE_UNAVAILABLE', asked: ['guarded', 'own'], layerFetches: 0, authorizations: [] },
    absence: { result: 'POLICY_DENIED', asked: ['own'], layerFetches: 0 },
    cells: [
      {
        source: 'pull.registries_d',
        says: (servers) => {
          const folder = dirname(servers.write('s.yaml', storeAt(servers)));
          return { pull: `${mustBeSigned(servers)}registries_d = "${folder}"` };
        },
        verdicts: HONOURED,
      },
      {
        source: 'image.sigstore_config',
        says: (servers) => ({ toml: `[image]\nsigstore_config = """\n${storeAt(servers)}"""` }),
        verdicts: HONOURED,
      },
      {
        source: 'image.sigstore_config_uri',
        says: (servers) => ({
          toml: `[image]\nsigstore_config_uri = "file://${servers.write('s.yaml', storeAt(servers))}"`,
        }),
        verdicts: HONOURED,
      },
      {
        source: 'the environment',
        says: (servers) => ({
          environment: { SEALIFT_PULL_REGISTRIES_D: dirname(servers.write('s.yaml', storeAt(servers))) },
        }),
        verdicts: REFUSED,
      },
      {
        source: 'the kernel command line',
        says: (servers) => ({
          kernel: `agent.sigstore_config_uri=file://${servers.write('s.yaml', storeAt(servers))}`,
        }),
        verdicts: IGNORED,
      },
      {
        source: 'imagepuller.toml',
        says: (servers) => ({ imagepuller: `sigstore_config_uri = "${servers.write('s.yaml', storeAt(servers))}"` }),
        verdicts: REFUSED,
      },
      {
        source: 'a file in the home directory',
        says: (servers) => homeWith(servers, '.config/containers/registries.d/s.yaml', storeAt(servers)),
        verdicts: IGNORED,
      },
    ],
  },
  {
    // The daemon reads limits only when it starts, so the owner's setting has a test of its own.
    what: 'a limit',
    name: ({ own }) => `${own}/app`,
    common: ({ own }) => ({ conf: insecure(own) }),
    effect: { result: 'LAYER_LIMIT_EXCEEDED', layerFetches: 0 },
    absence: { ...PULLED, asked: ['own'] },
    cells: [
      {
        source: 'the environment',
        says: () => ({ environment: { SEALIFT_PULL_LIMITS_MAX_LAYERS: '1' } }),
        verdicts: REFUSED,
      },
      {
        source: 'the kernel command line',
        says: () => ({ kernel: 'agent.max_layers=1 SEALIFT_PULL_LIMITS_MAX_LAYERS=1' }),
        verdicts: IGNORED,
      },
      {
        source: 'imagepuller.toml',
        says: () => ({ imagepuller: '[pull.limits]\nmax_layers = 1' }),
        verdicts: IGNORED,
        remark: 'pull: unknown setting, ignored',
      },
    ],
  },
];
