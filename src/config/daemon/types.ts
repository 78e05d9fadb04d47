import type { ErrorCode } from '../../errors/index.ts';
import type { Credentials } from '../../registry/index.ts';
import type { RegistriesDocument } from '../registries/types.ts';
import type { Classified, Configuration } from '../types.ts';

/** How dm-integrity protects the store: with a MAC in addition to the cipher, or with a cipher that authenticates. */
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
type ApiService = (typeof API_SERVICES)[number];

export interface ApiSocket {
  /** An absolute path, without `unix://`. */
  readonly path: string;
  readonly services: readonly ApiService[];
}

/** The address of health and metrics, which are served on this machine only. */
export type HealthAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** The size of the store in memory: a share of the guest's memory, or bytes. */
export type MemorySize =
  | { readonly kind: 'percent'; readonly percent: number }
  | { readonly kind: 'bytes'; readonly bytes: number };

export interface VolumeConfiguration {
  /** Paths that the image store's device may have, in the order of trying. */
  readonly devices: Classified<readonly string[]>;
  /** How long the daemon waits for one of the devices at its start; 0: it does not wait. */
  readonly waitMs: Classified<number>;
  /** False: memory is used when the device fails, and every status reports this. */
  readonly required: Classified<boolean>;
  readonly integrity: Classified<IntegrityAlgorithm>;
  /** Where the store is mounted: `image.work_dir` of confidential-data-hub, or `store.data`. */
  readonly mountPoint: Classified<string>;
  /** Directories below which other volumes may be mounted: the encrypted `emptyDir` volumes of the pod. */
  readonly mountRoots: Classified<readonly string[]>;
  readonly memoryMountPoint: Classified<string>;
  readonly memorySize: Classified<MemorySize>;
  readonly allowDirectoryLayers: Classified<boolean>;
}

export interface ApiConfiguration {
  readonly sockets: Classified<readonly ApiSocket[]>;
  readonly bundleRoots: Classified<readonly string[]>;
  /** The socket of a confidential-data-hub that answers the calls that Sealift does not serve. */
  readonly passthroughSocket: Classified<string | undefined>;
  /** The socket of the attestation agent, which measures each image. */
  readonly aaSocket: Classified<string>;
  /** A file that the daemon creates when it serves and removes when it ends. */
  readonly readyFile: Classified<string | undefined>;
  readonly maxPulls: Classified<number>;
  /** Undefined: health is not served. */
  readonly health: Classified<HealthAddress | undefined>;
}

/** The source of the documents that `kbs://` URIs name. */
export type KeyBrokerSettings =
  /** A confidential-data-hub, which has a key broker of its own. */
  | { readonly kind: 'hub'; readonly socketPath: string }
  /** The key broker itself, for whose tokens the attestation agent is asked. */
  | {
      readonly kind: 'kbs';
      /** https, without a slash at the end. */
      readonly url: string;
      /** PEM texts; empty: the authorities of the system are trusted. */
      readonly certificates: readonly string[];
      readonly agentSocketPath: string;
    }
  /** Files of the guest; a later one overrides an earlier one. */
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  /** None may or can be asked. */
  | {
      readonly kind: 'none';
      readonly code: Extract<ErrorCode, 'CONFIG_UNSUPPORTED' | 'CONFIG_CLASS_REFUSED'>;
      readonly reason: string;
      readonly hint: string;
    };

/** A reason why no image may be pulled with this configuration. The daemon runs, and refuses each pull with it. */
export interface PullObstacle {
  readonly code: ErrorCode;
  /** `image.sigstore_config_uri`, `agent.image_policy_file` */
  readonly key: string;
  readonly origin: string;
  readonly reason: string;
  /** The next step for the operator. */
  readonly hint: string;
}

/**
 * The settings of Contrast's imagepuller.toml for one registry. They are unmeasured, so they may only help bytes
 * arrive.
 */
export interface RegistryOverride {
  readonly class: 'unmeasured';
  readonly origin: string;
  readonly credentials: Credentials | undefined;
  /** PEM texts that replace the system's roots; with an empty list no certificate is trusted. */
  readonly rootCertificates: readonly string[] | undefined;
  readonly tlsVerify: boolean | undefined;
  /** The mirror that is asked before the registry, for images that are pinned by digest. */
  readonly mirror: HostMirror | undefined;
}

/** A mirror that serves several registries. */
export interface HostMirror {
  /** `HOST[:PORT]` */
  readonly host: string;
  /** The path before `/v2/`; empty or with a leading slash. */
  readonly prefix: string;
  readonly insecure: boolean;
}

/** The registries of confidential-data-hub's `[image]` table. */
export type ImageRegistries =
  | { readonly kind: 'inline'; readonly document: RegistriesDocument }
  | { readonly kind: 'uri'; readonly uri: string };

/** The `sigstore_config` of confidential-data-hub's `[image]` table: one document in the format of registries.d. */
export type ImageLookaside =
  | { readonly kind: 'inline'; readonly text: string }
  | { readonly kind: 'uri'; readonly uri: string };

/** Overrides by their patterns, normalised: `foo.bar`, `.foo.bar` or `.`. */
export type RegistryOverrides = ReadonlyMap<string, RegistryOverride>;

/** The configuration of the daemon. It holds secrets (`registryOverrides`, proxies) and must not be logged. */
export interface DaemonConfiguration extends Configuration {
  /** The text of a policy.json, given inline; never together with `pull.policy`. */
  readonly inlinePolicy: Classified<string | undefined>;
  /** The layers of an image that are downloaded at a time; undefined: it follows from the number of cores. */
  readonly maxLayerDownloads: Classified<number | undefined>;
  /** True: a registry that refuses the credentials is asked once more without any. */
  readonly anonymousFallback: Classified<boolean>;
  readonly volume: VolumeConfiguration;
  readonly api: ApiConfiguration;
  readonly keyBroker: Classified<KeyBrokerSettings>;
  readonly registryOverrides: RegistryOverrides;
  /** Never together with `pull.registriesConf` and `pull.registriesConfD`. */
  readonly imageRegistries: Classified<ImageRegistries | undefined>;
  /** Never together with `pull.registriesD`. */
  readonly imageLookaside: Classified<ImageLookaside | undefined>;
  readonly pullObstacles: readonly PullObstacle[];
  /** Sentences about settings without effect, for the log. They never quote a value. */
  readonly warnings: readonly string[];
}
