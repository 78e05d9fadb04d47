import type { ErrorCode } from '../../errors/index.ts';
import type { Credentials } from '../../registry/index.ts';
import type { RegistriesDocument } from '../registries/types.ts';
import type { Classified, Configuration } from '../types.ts';

/** dm-integrity of the store: a MAC beside the cipher, or a cipher that authenticates. */
export const INTEGRITY_ALGORITHMS = ['hmac-sha256', 'aegis128'] as const;
export type IntegrityAlgorithm = (typeof INTEGRITY_ALGORITHMS)[number];

/** The ttrpc services that a socket may offer, by their names on the wire. */
export const API_SERVICES = [
  'api.ImagePullService',
  'api.SecureMountService',
  'api.GetResourceService',
  'api.SealedSecretService',
  'keyprovider.KeyProviderService',
] as const;
export type ApiService = (typeof API_SERVICES)[number];

export interface ApiSocket {
  /** Absolute path, without `unix://`. */
  readonly path: string;
  readonly services: readonly ApiService[];
}

/** Where health and metrics are told: this machine and nowhere else. */
export type HealthAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export type MemorySize =
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'bytes'; readonly bytes: number };

export interface VolumeConfiguration {
  /** Names that the image store's device may have, in the order of trying. */
  readonly devices: Classified<readonly string[]>;
  /** How long to wait for one of them at start; 0 is not at all. */
  readonly waitMs: Classified<number>;
  /** False: memory is used in place of a device that fails, and every answer says so. */
  readonly required: Classified<boolean>;
  readonly integrity: Classified<IntegrityAlgorithm>;
  /** Where the store is mounted: image.work_dir of confidential-data-hub. `store.data` is the same. */
  readonly mountPoint: Classified<string>;
  readonly memoryMountPoint: Classified<string>;
  readonly memorySize: Classified<MemorySize>;
  readonly allowDirectoryLayers: Classified<boolean>;
}

export interface ApiConfiguration {
  readonly sockets: Classified<readonly ApiSocket[]>;
  readonly bundleRoots: Classified<readonly string[]>;
  /** A confidential-data-hub that answers what we do not. */
  readonly passthroughSocket: Classified<string | undefined>;
  /** The attestation agent, which is told of each image. */
  readonly aaSocket: Classified<string>;
  /** Made when the daemon serves, removed when it ends. */
  readonly readyFile: Classified<string | undefined>;
  readonly maxPulls: Classified<number>;
  /** Undefined: nobody is told. */
  readonly health: Classified<HealthAddress | undefined>;
}

/** Why no image may be pulled with this configuration. The daemon runs all the same, and answers each pull with it. */
export interface PullObstacle {
  readonly code: ErrorCode;
  /** `image.sigstore_config_uri`, `agent.image_policy_file` */
  readonly key: string;
  readonly origin: string;
  readonly reason: string;
  /** What the operator does next. */
  readonly hint: string;
}

/** What Contrast's imagepuller.toml says of one registry. Unmeasured: it may help bytes arrive and nothing else. */
export interface RegistryOverride {
  readonly class: 'unmeasured';
  readonly origin: string;
  readonly credentials: Credentials | undefined;
  /** PEM texts that replace the system's roots; an empty list trusts nobody. */
  readonly rootCertificates: readonly string[] | undefined;
  readonly tlsVerify: boolean | undefined;
  /** Asked before the registry for images that are pinned by digest. */
  readonly mirror: HostMirror | undefined;
}

/** A mirror that serves several registries. */
export interface HostMirror {
  /** `HOST[:PORT]` */
  readonly host: string;
  /** What stands before `/v2/`; empty or with a leading slash. */
  readonly prefix: string;
  readonly insecure: boolean;
}

/** What confidential-data-hub's `[image]` says of registries. */
export type ImageRegistries =
  | { readonly kind: 'inline'; readonly document: RegistriesDocument }
  | { readonly kind: 'file'; readonly path: string };

/** Overrides by the pattern they were written under, normalised: `foo.bar`, `.foo.bar` or `.`. */
export type RegistryOverrides = ReadonlyMap<string, RegistryOverride>;

/** Everything the daemon is told. Holds secrets (`registryOverrides`, proxies): not for a log. */
export interface DaemonConfiguration extends Configuration {
  /** The text of a policy.json, given inline; never together with `pull.policy`. */
  readonly inlinePolicy: Classified<string | undefined>;
  /** An upper bound that confidential-data-hub's users know; undefined lets the cores decide. */
  readonly maxLayerDownloads: Classified<number | undefined>;
  /** A registry that refuses our credentials is asked once more without any. */
  readonly anonymousFallback: Classified<boolean>;
  readonly volume: VolumeConfiguration;
  readonly api: ApiConfiguration;
  readonly registryOverrides: RegistryOverrides;
  /** Never together with `pull.registriesConf` and `pull.registriesConfD`. */
  readonly imageRegistries: Classified<ImageRegistries | undefined>;
  readonly pullObstacles: readonly PullObstacle[];
  /** Settings that have no effect, to be logged at start. They never quote a value. */
  readonly warnings: readonly string[];
}
