import type { Environment } from '../parse-environment.ts';
import type { Classified } from '../types.ts';
import { DAEMON_DEFAULTS } from './defaults.ts';
import type { ParsedDaemonFile } from './parse-daemon-file.ts';
import { parseKernelCommandLine } from './parse-kernel-command-line.ts';
import type { ApiConfiguration, KeyBrokerSettings } from './types.ts';

/** The texts that follow from the guest's surroundings, and what the file says of sockets. */
interface BrokerSurroundings {
  readonly environment: Environment;
  readonly kernelCommandLine: string;
  readonly api: Pick<ApiConfiguration, 'aaSocket' | 'passthroughSocket'>;
  readonly origin: string;
}

interface ResolvedKeyBroker {
  readonly broker: Classified<KeyBrokerSettings>;
  readonly warnings: readonly string[];
}

type NoBroker = Extract<KeyBrokerSettings, { kind: 'none' }>;

const PARAMETERS = 'AA_KBC_PARAMS';
const CERTIFICATE = 'KBS_CERT';
const EXTRA_FILES = 'OFFLINE_FS_KBC_EXTRA_FILE_PATH';
/** Variables of confidential-data-hub that choose the key broker. */
export const BROKER_VARIABLES: readonly string[] = [PARAMETERS, CERTIFICATE, EXTRA_FILES];
/** The word that confidential-data-hub reads when it has no file. */
const KERNEL_PARAMETERS = 'agent.aa_kbc_params';

/** https://github.com/confidential-containers/guest-components/blob/main/confidential-data-hub/hub/src/kms/plugins/kbs/offline_fs.rs */
const OFFLINE_FILES = ['/etc/aa-offline_fs_kbc-keys.json', '/etc/aa-offline_fs_kbc-resources.json'] as const;

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const NAME_BROKER =
  'name a key broker in the measured configuration file: the socket of a confidential-data-hub in api.passthrough_socket, or kbc.name';

function unsupported(reason: string, hint = NAME_BROKER): NoBroker {
  return { kind: 'none', code: 'CONFIG_UNSUPPORTED', reason, hint };
}

/** The host would choose which policy and which keys count. */
function classRefused(source: string, setting: string): NoBroker {
  return {
    kind: 'none',
    code: 'CONFIG_CLASS_REFUSED',
    reason: `${source}: expected a measured source for the key broker, got an unmeasured one`,
    hint: `set ${setting} in the measured configuration file`,
  };
}

/**
 * Returns the one source of `kbs://` documents. It is only looked at when a document needs it, so a faulty key broker, or
 * one from a source that the host can write, prevents no pull of other images.
 */
export function resolveKeyBroker(parsed: ParsedDaemonFile, surroundings: BrokerSurroundings): ResolvedKeyBroker {
  const { environment, origin } = surroundings;
  const value = chooseBroker(parsed, surroundings);
  const isMeasured = value.kind !== 'none';
  const overridden = BROKER_VARIABLES.filter((name) => isMeasured && environment[name]);
  return {
    broker: { value, class: 'measured', origin: isMeasured ? origin : 'default' },
    warnings: overridden.map(
      (name) => `environment ${name}: ignored, because ${origin} says which key broker is asked`,
    ),
  };
}

function chooseBroker({ file }: ParsedDaemonFile, surroundings: BrokerSurroundings): KeyBrokerSettings {
  const { kbc, keybroker } = file;
  const { api, environment } = surroundings;
  const socketPath = api.passthroughSocket.value;
  if (socketPath !== undefined) return { kind: 'hub', socketPath };
  switch (kbc?.name) {
    case undefined:
      return withoutName(surroundings, kbc !== undefined);
    case 'cc_kbc':
      return chooseKbs(kbc ?? {}, surroundings);
    case 'offline_fs_kbc':
      if (environment[EXTRA_FILES] && keybroker?.offline_files === undefined) {
        return classRefused(`environment ${EXTRA_FILES}`, 'keybroker.offline_files');
      }
      return {
        kind: 'files',
        paths: [...OFFLINE_FILES, ...(keybroker?.offline_files ?? DAEMON_DEFAULTS['keybroker.offline_files'])],
      };
    default:
      return unsupported('kbc.name: expected cc_kbc or offline_fs_kbc, got another name');
  }
}

function withoutName({ environment, kernelCommandLine }: BrokerSurroundings, hasTable: boolean): NoBroker {
  if (environment[PARAMETERS]) return classRefused(`environment ${PARAMETERS}`, 'kbc.name');
  if (!hasTable && parseKernelCommandLine(kernelCommandLine).has(KERNEL_PARAMETERS)) {
    return classRefused(`kernel command line ${KERNEL_PARAMETERS}`, 'kbc.name');
  }
  return unsupported('a document of the key broker cannot be fetched: no key broker is configured');
}

interface KbcTable {
  readonly url?: string | undefined;
  readonly kbs_cert?: string | undefined;
}

/**
 * Plain http is refused: the host could answer with a policy of its own, since answers are encrypted with a public key of
 * the guest that the network can read.
 */
function chooseKbs({ url: written, kbs_cert: pem }: KbcTable, surroundings: BrokerSurroundings): KeyBrokerSettings {
  const { api, environment } = surroundings;
  const url = written === undefined ? null : URL.parse(written);
  if (url === null || url.protocol !== 'https:' || url.username + url.password + url.search + url.hash !== '') {
    const hint =
      'set kbc.url to the https address of the key broker, and kbc.kbs_cert to the certificate that it shows';
    return unsupported('kbc.url: expected https://HOST[:PORT][/PATH]', hint);
  }
  const certificates = pem?.match(PEM_CERTIFICATE) ?? [];
  if (pem !== undefined && certificates.length === 0) return unsupported('kbc.kbs_cert: expected a PEM certificate');
  if (pem === undefined && environment[CERTIFICATE]) {
    return classRefused(`environment ${CERTIFICATE}`, 'kbc.kbs_cert');
  }
  return {
    kind: 'kbs',
    url: url.href.replace(/\/+$/, ''),
    certificates,
    agentSocketPath: api.aaSocket.value,
  };
}
