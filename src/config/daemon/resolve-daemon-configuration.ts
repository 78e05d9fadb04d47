import { flattenTables } from '../parse-configuration.ts';
import type { Environment } from '../parse-environment.ts';
import { resolveConfiguration } from '../resolve-configuration.ts';
import type { ConfigurationSource } from '../types.ts';
import { type Contribution, joinContributions } from './contribution.ts';
import { areCredentialsInEnvironment, environmentContribution } from './environment-contribution.ts';
import { imageContribution } from './image-contribution.ts';
import { imageLookasideContribution } from './image-lookaside-contribution.ts';
import { imageRegistriesContribution } from './image-registries-contribution.ts';
import { type ImagepullerContribution, imagepullerContribution } from './imagepuller-contribution.ts';
import { kernelContribution } from './kernel-contribution.ts';
import { type ParsedDaemonFile, parseDaemonFile } from './parse-daemon-file.ts';
import { resolveApi } from './resolve-api.ts';
import { resolveKeyBroker } from './resolve-key-broker.ts';
import { assertDirectoriesApart, fromFile, resolveVolume } from './resolve-volume.ts';
import { separateHostVariables } from './separate-host-variables.ts';
import type { DaemonConfiguration, ImageLookaside, ImageRegistries } from './types.ts';

interface TextOfFile {
  readonly path: string;
  readonly text: string;
}

export interface DaemonTexts {
  /** The file given with -c, which is measured. */
  readonly file: TextOfFile | undefined;
  readonly environment: Environment;
  /** The text of /proc/cmdline. */
  readonly kernelCommandLine: string;
  readonly imagepuller: TextOfFile | undefined;
}

const NO_FILE: ParsedDaemonFile = { path: '', file: {}, warnings: [] };

/** Reads `[store]`, `[pull]` and `[log]`. The data directory is the mount point of the volume. */
function ownSource({ path, file }: ParsedDaemonFile): ConfigurationSource {
  const { store: { data: _data, root, ...store } = {}, pull, log } = file;
  const state = store.state ?? (root === undefined ? undefined : `${root.replace(/\/+$/, '')}/state`);
  const level = log?.level === 'off' ? 'silent' : log?.level;
  const values = flattenTables({
    store: state === undefined ? store : { ...store, state },
    ...(pull === undefined ? {} : { pull }),
    ...(level === undefined ? {} : { log: { level } }),
  });
  return { class: 'measured', named: true, originOf: () => `file ${path}`, values };
}

/** Warns about tables that confidential-data-hub processes at its start and Sealift does not. */
function hubWarnings({ path, file }: ParsedDaemonFile): string[] {
  if (file.credentials === undefined || file.credentials.length === 0) return [];
  return [`file ${path}: credentials: not fetched; a confidential-data-hub at api.passthrough_socket can fetch them`];
}

function imagepullerOf(file: TextOfFile | undefined): ImagepullerContribution {
  if (file === undefined) return { sources: [], obstacles: [], warnings: [], overrides: new Map() };
  return imagepullerContribution(file.text, file.path);
}

/**
 * Builds the configuration from texts alone, without access to the machine. Throws `CONFIG_FILE_INVALID` and
 * `CONFIG_CLASS_REFUSED`.
 */
export function resolveDaemonConfiguration(texts: DaemonTexts): DaemonConfiguration {
  const { environment, obstacles: hostVariables } = separateHostVariables(texts.environment, texts.kernelCommandLine);
  const parsed = texts.file === undefined ? NO_FILE : parseDaemonFile(texts.file.text, texts.file.path);
  const origin = `file ${parsed.path}`;
  const { image } = parsed.file;
  const inEnvironment = areCredentialsInEnvironment(environment);
  const own: Contribution = {
    sources: [ownSource(parsed)],
    obstacles: [],
    warnings: [...parsed.warnings, ...hubWarnings(parsed)],
  };
  const imagepuller = imagepullerOf(texts.imagepuller);
  const api = resolveApi(parsed, environment, origin);
  const keyBroker = resolveKeyBroker(parsed, { ...texts, environment, api, origin });
  const broker = keyBroker.broker.value;
  const registries = imageRegistriesContribution(parsed, broker);
  const lookaside = imageLookasideContribution(parsed, broker);
  const { sources, obstacles, warnings } = joinContributions([
    environmentContribution(environment, broker),
    { sources: [], obstacles: hostVariables, warnings: [] },
    own,
    // confidential-data-hub reads the kernel command line only without such a table, even an empty one.
    image === undefined
      ? kernelContribution(texts.kernelCommandLine, inEnvironment || parsed.file.pull?.authfile !== undefined)
      : imageContribution(parsed, { areCredentialsSettled: inEnvironment, broker }),
    registries,
    lookaside,
    imagepuller,
  ]);
  const base = resolveConfiguration(sources);
  const volume = resolveVolume(parsed, origin);
  assertDirectoriesApart(volume, base.store.state);
  const inlinePolicy = image?.image_security_policy_uri === undefined ? image?.image_security_policy : undefined;
  return {
    ...base,
    store: { ...base.store, data: volume.mountPoint },
    inlinePolicy: fromFile<string | undefined>(inlinePolicy, origin, undefined),
    maxLayerDownloads: fromFile<number | undefined>(image?.max_concurrent_layer_downloads_per_image, origin, undefined),
    anonymousFallback: fromFile<boolean>(image?.anonymous_fallback_on_unauthorized, origin, false),
    volume,
    api,
    keyBroker: keyBroker.broker,
    registryOverrides: imagepuller.overrides,
    imageRegistries: fromFile<ImageRegistries | undefined>(registries.registries, origin, undefined),
    imageLookaside: fromFile<ImageLookaside | undefined>(
      lookaside.lookaside,
      `${origin}, image.sigstore_config`,
      undefined,
    ),
    pullObstacles: obstacles,
    warnings: [...warnings, ...keyBroker.warnings],
  };
}
