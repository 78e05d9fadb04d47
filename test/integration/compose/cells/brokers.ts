import type { CellServers } from '../../../support/beds/cell-bed.ts';
import { HONOURED, insecure, PULLED, REFUSED, type Row } from './cell.ts';

const REJECT = JSON.stringify({ default: [{ type: 'reject' }] });
const IMAGE = '[image]\nimage_security_policy_uri = "kbs:///default/policy/1"\n';
const OFFLINE = `${IMAGE}[kbc]\nname = "offline_fs_kbc"\n`;
const resources = ({ write }: CellServers) =>
  write('resources.json', JSON.stringify({ 'default/policy/1': Buffer.from(REJECT).toString('base64') }));
const UNSUPPORTED = { result: 'CONFIG_UNSUPPORTED', layerFetches: 0 } as const;

/** The choice of the key broker is the choice of the policy. */
export const BROKERS: readonly Row[] = [
  {
    what: 'a key broker, whose policy rejects',
    name: ({ own }) => `${own}/app`,
    common: ({ own }) => ({ conf: insecure(own), pull: '', toml: IMAGE }),
    effect: { result: 'POLICY_DENIED', layerFetches: 0 },
    absence: UNSUPPORTED,
    cells: [
      {
        source: 'kbc.name and keybroker.offline_files',
        says: (servers) => ({ toml: `${OFFLINE}[keybroker]\noffline_files = ["${resources(servers)}"]` }),
        verdicts: HONOURED,
      },
      {
        source: 'the environment',
        says: () => ({ environment: { AA_KBC_PARAMS: 'offline_fs_kbc::null' } }),
        verdicts: REFUSED,
      },
      {
        source: 'the environment, with files',
        says: (servers) => ({ toml: OFFLINE, environment: { OFFLINE_FS_KBC_EXTRA_FILE_PATH: resources(servers) } }),
        verdicts: REFUSED,
      },
      {
        source: 'the kernel command line',
        says: () => ({ kernel: 'agent.aa_kbc_params=offline_fs_kbc::null' }),
        verdicts: REFUSED,
      },
      {
        source: 'imagepuller.toml',
        says: () => ({ toml: '', imagepuller: '[kbc]\nname = "offline_fs_kbc"' }),
        verdicts: REFUSED,
      },
    ],
  },
  {
    what: 'a key broker that no document needs',
    name: ({ own }) => `${own}/app`,
    common: ({ own }) => ({ conf: insecure(own) }),
    effect: PULLED,
    absence: PULLED,
    cells: [
      {
        source: 'the kernel command line',
        says: () => ({ kernel: 'agent.aa_kbc_params=cc_kbc::http://kbs.example' }),
        verdicts: HONOURED,
      },
    ],
  },
];
