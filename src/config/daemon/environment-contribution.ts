import { SealiftError } from '../../errors/index.ts';
import { type Environment, parseCommonEnvironment, parseEnvironment } from '../parse-environment.ts';
import { environmentName } from '../settings.ts';
import type { ConfigurationSource } from '../types.ts';
import type { Contribution } from './contribution.ts';
import { locateDocument } from './locate-document.ts';
import type { KeyBrokerSettings } from './types.ts';

const CREDENTIALS = 'CDH_DEFAULT_IMAGE_AUTHENTICATED_REGISTRY_CREDENTIALS';

const IGNORED: ReadonlyMap<string, string> = new Map([
  ['REGISTRY_AUTH_FILE', 'pull.authfile'],
  ['CONTAINERS_REGISTRIES_CONF', 'pull.registries_conf'],
]);

/** True if the unit file or components.toml, which are measured, set the credentials. */
export function areCredentialsInEnvironment(environment: Environment): boolean {
  return Boolean(environment[CREDENTIALS]);
}

function credentialsContribution(
  environment: Environment,
  broker: KeyBrokerSettings,
): Pick<Contribution, 'sources' | 'obstacles'> {
  const uri = environment[CREDENTIALS];
  if (!uri) return { sources: [], obstacles: [] };
  const origin = `environment ${CREDENTIALS}`;
  const found = locateDocument({ key: CREDENTIALS, uri, origin }, broker);
  if (typeof found !== 'string') return { sources: [], obstacles: [found] };
  const values = { 'pull.authfile': found };
  return { sources: [{ class: 'measured', named: false, originOf: () => origin, values }], obstacles: [] };
}

/** The tools of containers/image read these variables. Here the host could set them, and only the owner may decide. */
function ignoredWarnings(environment: Environment): string[] {
  return [...IGNORED]
    .filter(([variable]) => environment[variable])
    .map(
      ([variable, setting]) => `environment ${variable}: ignored; set ${setting} in the measured configuration instead`,
    );
}

/** A proxy that cannot be parsed prevents pulls and not the start, because the daemon must serve to report it. */
function proxyContribution(environment: Environment): Pick<Contribution, 'sources' | 'obstacles'> {
  try {
    const sources = parseCommonEnvironment(environment)
      .filter(({ values }) => Object.keys(values).every((setting) => setting.startsWith('pull.proxy.')))
      .map(({ variable, values }): ConfigurationSource => {
        return { class: 'unmeasured', named: false, originOf: () => `environment ${variable}`, values };
      });
    return { sources, obstacles: [] };
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    const { code, message } = error;
    const hint = 'correct the proxy in the environment of the daemon';
    return { sources: [], obstacles: [{ code, key: 'proxy', origin: 'environment', reason: message, hint }] };
  }
}

/** Reads the environment, which the host may have chosen, apart from the variable of confidential-data-hub. */
export function environmentContribution(environment: Environment, broker: KeyBrokerSettings): Contribution {
  const own: ConfigurationSource = {
    class: 'unmeasured',
    named: false,
    originOf: (setting) => `environment ${environmentName(setting)}`,
    values: parseEnvironment(environment),
  };
  const credentials = credentialsContribution(environment, broker);
  const proxies = proxyContribution(environment);
  return {
    sources: [...credentials.sources, own, ...proxies.sources],
    obstacles: [...credentials.obstacles, ...proxies.obstacles],
    warnings: ignoredWarnings(environment),
  };
}
