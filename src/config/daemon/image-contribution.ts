import type { SettingValues } from '../types.ts';
import type { Contribution } from './contribution.ts';
import { locateDocument } from './locate-document.ts';
import type { ParsedDaemonFile } from './parse-daemon-file.ts';
import type { DaemonFile } from './schema.ts';
import type { KeyBrokerSettings, PullObstacle } from './types.ts';

type ImageTable = NonNullable<DaemonFile['image']>;

/** What the other sources have settled. */
interface SettledElsewhere {
  readonly areCredentialsSettled: boolean;
  readonly broker: KeyBrokerSettings;
}

interface Document {
  readonly key: 'authenticated_registry_credentials_uri' | 'image_security_policy_uri';
  readonly setting: 'pull.authfile' | 'pull.policy';
}

const CREDENTIALS: Document = { key: 'authenticated_registry_credentials_uri', setting: 'pull.authfile' };
const POLICY: Document = { key: 'image_security_policy_uri', setting: 'pull.policy' };

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
  { areCredentialsSettled, broker }: SettledElsewhere,
): Contribution {
  const origin = `file ${path}`;
  const values: [string, string][] = [];
  const obstacles: PullObstacle[] = [];
  for (const { key, setting } of areCredentialsSettled ? [POLICY] : [CREDENTIALS, POLICY]) {
    const uri = image[key];
    if (uri === undefined) continue;
    const found = locateDocument({ key: `image.${key}`, uri, origin }, broker);
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
    obstacles,
    warnings: bothPolicies
      ? [`${origin}: image.image_security_policy: ignored, because image.image_security_policy_uri overrides it`]
      : [],
  };
}
