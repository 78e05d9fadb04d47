import type { LimitName } from '../limits/index.ts';

/**
 * `measured`: the guest's owner chose it (initdata, verified rootfs, the CLI user). `unmeasured`: the host may have
 * chosen it.
 */
export type ConfigurationClass = 'measured' | 'unmeasured';

/** A value that remembers who set it. */
export interface Classified<T> {
  readonly value: T;
  readonly class: ConfigurationClass;
  /** For messages: `flag --store`, `environment SEALIFT_LOG_LEVEL`, `file /etc/x.toml`, `default`. */
  readonly origin: string;
}

/** `auto`: EROFS where the kernel mounts it, as a probe of the store shows; directories elsewhere. */
export const LAYER_FORMATS = ['auto', 'erofs', 'directory'] as const;
export type LayerFormatSetting = (typeof LAYER_FORMATS)[number];

/** `auto`: where the host can reach the layers, which is not so in memory and on the CLI's own disk. */
export const VERITY_MODES = ['auto', 'always', 'never'] as const;
export type VerityMode = (typeof VERITY_MODES)[number];

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Value of each setting by its path in the file; the limits are `pull.limits.<name>`. */
export interface SettingValues extends Partial<Record<`pull.limits.${LimitName}`, number>> {
  /** Sets data and state to the folders of these names inside. */
  readonly 'store.root'?: string;
  readonly 'store.data'?: string;
  readonly 'store.state'?: string;
  readonly 'store.layer_format'?: LayerFormatSetting;
  readonly 'store.verity'?: VerityMode;
  readonly 'store.min_free_bytes'?: number;
  readonly 'pull.policy'?: string;
  readonly 'pull.insecure_policy'?: boolean;
  readonly 'pull.authfile'?: string;
  readonly 'pull.tls_verify'?: boolean;
  readonly 'pull.extra_root_certificates'?: readonly string[];
  readonly 'pull.registries_conf'?: string;
  readonly 'pull.registries_conf_d'?: string;
  readonly 'pull.certs_d'?: string;
  readonly 'pull.platform'?: string;
  readonly 'pull.foreign_layer_urls'?: boolean;
  readonly 'pull.proxy.https'?: string;
  readonly 'pull.proxy.http'?: string;
  readonly 'pull.proxy.no_proxy'?: string;
  readonly 'log.level'?: LogLevel;
}

export type SettingName = keyof SettingValues;

/** One place that settings come from, already of the right types. */
export interface ConfigurationSource {
  readonly class: ConfigurationClass;
  /** Somebody named this place: a flag, or a file given with -c. Only such a place may set a policy. */
  readonly named: boolean;
  readonly originOf: (setting: SettingName) => string;
  readonly values: SettingValues;
}

export interface Configuration {
  readonly store: {
    readonly data: Classified<string>;
    readonly state: Classified<string>;
    readonly layerFormat: Classified<LayerFormatSetting>;
    readonly verity: Classified<VerityMode>;
    readonly minFreeBytes: Classified<number>;
  };
  readonly pull: {
    /** Path of a policy.json. */
    readonly policy: Classified<string | undefined>;
    readonly insecurePolicy: Classified<boolean>;
    readonly authfile: Classified<string | undefined>;
    readonly tlsVerify: Classified<boolean>;
    /** PEM texts of one or more certificates. */
    readonly extraRootCertificates: Classified<readonly string[]>;
    /** Path of a registries.conf, and of the directory with its drop-ins. */
    readonly registriesConf: Classified<string | undefined>;
    readonly registriesConfD: Classified<string | undefined>;
    /** Path of a directory with a folder of certificates for each registry. */
    readonly certsD: Classified<string | undefined>;
    readonly platform: Classified<string | undefined>;
    /** Whether addresses that an image names for its foreign layers are asked. */
    readonly foreignLayerUrls: Classified<boolean>;
    readonly proxy: {
      readonly https: Classified<string | undefined>;
      readonly http: Classified<string | undefined>;
      readonly noProxy: Classified<string | undefined>;
    };
    readonly limits: { readonly [Name in LimitName]: Classified<number> };
  };
  readonly log: { readonly level: Classified<LogLevel> };
}
