import type { LimitName } from '../limits/index.ts';

/**
 * `measured`: the owner of the guest chose the value (initdata, verified rootfs, the CLI user). `unmeasured`: the host
 * may have chosen it.
 */
export type ConfigurationClass = 'measured' | 'unmeasured';

/** A value with the class and the name of the source that set it. */
export interface Classified<T> {
  readonly value: T;
  readonly class: ConfigurationClass;
  /** The source, for messages: `flag --store`, `environment SEALIFT_LOG_LEVEL`, `file /etc/x.toml`, `default`. */
  readonly origin: string;
}

/** `auto`: EROFS images where a probe of the store shows that the kernel mounts them, directories elsewhere. */
export const LAYER_FORMATS = ['auto', 'erofs', 'directory'] as const;
export type LayerFormatSetting = (typeof LAYER_FORMATS)[number];

/** `auto`: a tree is written where the host can reach the layers; it cannot in memory and on the CLI's own disk. */
export const VERITY_MODES = ['auto', 'always', 'never'] as const;
export type VerityMode = (typeof VERITY_MODES)[number];

/** `auto`: gzip is inflated by ISA-L if a usable libisal is there, else by zlib. */
export const INFLATE_MODES = ['auto', 'zlib'] as const;
export type InflateMode = (typeof INFLATE_MODES)[number];

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** The values of settings by their paths in the file; limits are `pull.limits.<name>`. */
export interface SettingValues extends Partial<Record<`pull.limits.${LimitName}`, number>> {
  /** Sets `store.data` and `store.state` to the folders of these names in it. */
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
  readonly 'pull.registries_d'?: string;
  readonly 'pull.certs_d'?: string;
  readonly 'pull.platform'?: string;
  readonly 'pull.foreign_layer_urls'?: boolean;
  readonly 'pull.inflate'?: InflateMode;
  readonly 'pull.not_before'?: string;
  readonly 'pull.proxy.https'?: string;
  readonly 'pull.proxy.http'?: string;
  readonly 'pull.proxy.no_proxy'?: string;
  readonly 'log.level'?: LogLevel;
}

export type SettingName = keyof SettingValues;

/** A configuration file that was read already. */
export interface NamedFile {
  readonly path: string;
  readonly text: string;
}

/** The settings of one source, already of the right types. */
export interface ConfigurationSource {
  readonly class: ConfigurationClass;
  /** True for a source that the user named: a flag, or a file given with -c. Only such a source may set a policy. */
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
    /** The path of a policy.json. */
    readonly policy: Classified<string | undefined>;
    readonly insecurePolicy: Classified<boolean>;
    readonly authfile: Classified<string | undefined>;
    readonly tlsVerify: Classified<boolean>;
    /** PEM texts, each of one or more certificates. */
    readonly extraRootCertificates: Classified<readonly string[]>;
    /** The paths of a registries.conf, and of the directory with its drop-ins. */
    readonly registriesConf: Classified<string | undefined>;
    readonly registriesConfD: Classified<string | undefined>;
    /** The path of a directory that says where signatures are looked for. */
    readonly registriesD: Classified<string | undefined>;
    /** The path of a directory with a folder of certificates for each registry. */
    readonly certsD: Classified<string | undefined>;
    readonly platform: Classified<string | undefined>;
    /** Whether foreign layers are fetched from the addresses that the image names for them. */
    readonly foreignLayerUrls: Classified<boolean>;
    readonly inflate: Classified<InflateMode>;
    /** The earliest time that the clock can truly show: RFC 3339, or a date alone. */
    readonly notBefore: Classified<string>;
    readonly proxy: {
      readonly https: Classified<string | undefined>;
      readonly http: Classified<string | undefined>;
      readonly noProxy: Classified<string | undefined>;
    };
    readonly limits: { readonly [Name in LimitName]: Classified<number> };
  };
  readonly log: { readonly level: Classified<LogLevel> };
}
