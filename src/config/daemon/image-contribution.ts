import type { SettingValues } from '../types.ts';
import type { Contribution } from './contribution.ts';
import { locateDocument } from './locate-document.ts';
import type { ParsedDaemonFile } from './parse-daemon-file.ts';
import type { DaemonFile } from './schema.ts';
import type { PullObstacle } from './types.ts';

type ImageTable = NonNullable<DaemonFile['image']>;

interface Document {
  readonly key: 'authenticated_registry_credentials_uri' | 'image_security_policy_uri';
  readonly setting: 'pull.authfile' | 'pull.policy';
}

const CREDENTIALS: Document = { key: 'authenticated_registry_credentials_uri', setting: 'pull.authfile' };
const POLICY: Document = { key: 'image_security_policy_uri', setting: 'pull.policy' };

/**
 * Keys that are not supported. Each restricts what may run, so a pull that ignored it would run more than the owner
 * allows.
 */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ['sigstore_config_uri', 'a location of detached signatures cannot be configured'],
  ['sigstore_config', 'a location of detached signatures cannot be configured'],
]);

function unsupportedObstacles(image: ImageTable, origin: string): PullObstacle[] {
  return [...UNSUPPORTED]
    .filter(([key]) => image[key] !== undefined)
    .map(([key, reason]) => {
      const hint = `remove image.${key} from the configuration`;
      return { code: 'CONFIG_UNSUPPORTED', key: `image.${key}`, origin, reason, hint };
    });
}

function nonEmpty(values: Readonly<Record<string, unknown>>): SettingValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== ''));
}

function plainValues({ extra_root_certificates, image_pull_proxy: proxy = {} }: ImageTable): SettingValues {
  return nonEmpty({
    'pull.extra_root_certificates': extra_root_certificates,
    'pull.proxy.https': proxy.https_proxy,
    'pull.proxy.http': proxy.http_proxy,
    'pull.proxy.no_proxy': proxy.no_proxy,
  });
}

/**
 * Translates confidential-data-hub's `[image]` table to Sealift's settings. The directory, the inline policy and the
 * number of downloads are settings of the daemon alone.
 */
export function imageContribution(
  { path, file: { image = {} } }: ParsedDaemonFile,
  areCredentialsSettled: boolean,
): Contribution {
  const origin = `file ${path}`;
  const values: [string, string][] = [];
  const obstacles: PullObstacle[] = [];
  for (const { key, setting } of areCredentialsSettled ? [POLICY] : [CREDENTIALS, POLICY]) {
    const uri = image[key];
    if (uri === undefined) continue;
    const found = locateDocument({ key: `image.${key}`, uri, origin });
    if (typeof found === 'string') values.push([setting, found]);
    else obstacles.push(found);
  }
  const bothPolicies = image.image_security_policy !== undefined && image.image_security_policy_uri !== undefined;
  return {
    sources: [
      {
        class: 'measured',
        named: true,
        originOf: () => origin,
        values: { ...plainValues(image), ...Object.fromEntries(values) },
      },
    ],
    obstacles: [...obstacles, ...unsupportedObstacles(image, origin)],
    warnings: bothPolicies
      ? [`${origin}: image.image_security_policy: ignored, because image.image_security_policy_uri overrides it`]
      : [],
  };
}
