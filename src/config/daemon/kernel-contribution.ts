import { checkSetting } from '../parse-environment.ts';
import type { ConfigurationSource, SettingName, SettingValues } from '../types.ts';
import type { Contribution } from './contribution.ts';
import { parseKernelCommandLine } from './parse-kernel-command-line.ts';
import type { PullObstacle } from './types.ts';

const ORIGIN = 'kernel command line';

/**
 * The words of image-rs, https://github.com/confidential-containers/guest-components/blob/main/image-rs/src/config.rs
 */
const PROXIES: readonly (readonly [string, SettingName])[] = [
  ['agent.https_proxy', 'pull.proxy.https'],
  ['agent.http_proxy', 'pull.proxy.http'],
  ['agent.no_proxy', 'pull.proxy.no_proxy'],
];

function obstacle(key: string, code: PullObstacle['code'], rest: { reason: string; hint: string }): PullObstacle {
  return { code, key, origin: ORIGIN, ...rest };
}

function proxyContribution(words: ReadonlyMap<string, string>): Contribution {
  const values: [SettingName, string][] = [];
  const obstacles: PullObstacle[] = [];
  const origins = new Map<SettingName, string>();
  for (const [key, setting] of PROXIES) {
    const value = words.get(key);
    if (value === undefined) continue;
    const problem = checkSetting(setting, value);
    if (problem === undefined) {
      values.push([setting, value]);
      origins.set(setting, `${ORIGIN} ${key}`);
    } else {
      const hint = `correct ${key} on the kernel command line`;
      obstacles.push(obstacle(key, 'CONFIG_FILE_INVALID', { reason: problem, hint }));
    }
  }
  const source: ConfigurationSource = {
    class: 'unmeasured',
    named: false,
    originOf: (setting) => origins.get(setting) ?? ORIGIN,
    values: Object.fromEntries(values) as SettingValues,
  };
  return { sources: [source], obstacles, warnings: [] };
}

/**
 * Only measured credentials may be sent: the host could choose a file with credentials for another registry, and the proxy
 * through which they are sent.
 */
function credentialsContribution(areCredentialsSettled: boolean): Pick<Contribution, 'obstacles' | 'warnings'> {
  const key = 'agent.image_registry_auth';
  if (areCredentialsSettled) {
    return { obstacles: [], warnings: [`${ORIGIN}: ${key}: ignored, because measured credentials override it`] };
  }
  const reason = 'expected a measured source, got an unmeasured one: it would choose the credentials that are sent';
  const hint = 'set authenticated_registry_credentials_uri in the [image] table of the measured configuration file';
  return { obstacles: [obstacle(key, 'CONFIG_CLASS_REFUSED', { reason, hint })], warnings: [] };
}

function policyObstacles(words: ReadonlyMap<string, string>): PullObstacle[] {
  const key = 'agent.image_policy_file';
  if (words.get('agent.enable_signature_verification') !== 'true' || !words.has(key)) return [];
  const reason = 'expected a measured source, got an unmeasured one: it decides which images run';
  const hint = 'set image_security_policy_uri in the [image] table of the measured configuration file';
  return [obstacle(key, 'CONFIG_CLASS_REFUSED', { reason, hint })];
}

/** Reads the kernel command line, which the host wrote. It only has an effect without an `[image]` table. */
export function kernelContribution(commandLine: string, areCredentialsSettled: boolean): Contribution {
  const words = parseKernelCommandLine(commandLine);
  const proxies = proxyContribution(words);
  const credentials = words.has('agent.image_registry_auth')
    ? credentialsContribution(areCredentialsSettled)
    : { obstacles: [], warnings: [] };
  return {
    sources: proxies.sources,
    obstacles: [...proxies.obstacles, ...credentials.obstacles, ...policyObstacles(words)],
    warnings: credentials.warnings,
  };
}
