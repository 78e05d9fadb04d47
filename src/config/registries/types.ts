import type { Reference } from '../../oci/index.ts';
import type { ConfigurationClass } from '../types.ts';

/** The references that a mirror is asked for. */
export const MIRROR_USES = ['all', 'digest-only', 'tag-only'] as const;
type MirrorUse = (typeof MIRROR_USES)[number];

export interface RegistryMirror {
  /** `host[:port][/path…]`, which replaces the prefix of the rule. */
  readonly location: string;
  /** True: plain http is accepted, and certificates are not verified. */
  readonly insecure: boolean;
  readonly use: MirrorUse;
}

/** One `[[registry]]` table. */
export interface RegistryRule {
  /** The beginning of the names that the rule matches, or `*.domain`. */
  readonly prefix: string;
  /** The replacement of the prefix; undefined leaves the name as it is. */
  readonly location: string | undefined;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly RegistryMirror[];
  /** The source file, for messages. */
  readonly origin: string;
}

export const SHORT_NAME_MODES = ['enforcing', 'permissive', 'disabled'] as const;
type ShortNameMode = (typeof SHORT_NAME_MODES)[number];

/** One source file. Values that it does not set come from an earlier file. */
export interface RegistriesDocument {
  readonly rules: readonly RegistryRule[];
  readonly searchRegistries: readonly string[] | undefined;
  readonly shortNameMode: ShortNameMode | undefined;
  /** Full names by short ones; undefined removes an alias. */
  readonly aliases: ReadonlyMap<string, string | undefined>;
}

/** All source files merged: the endpoints of images, and the meaning of names without a host. */
export interface Registries {
  readonly rules: readonly RegistryRule[];
  /** Undefined: no file has a list. */
  readonly searchRegistries: readonly string[] | undefined;
  readonly shortNameMode: ShortNameMode;
  readonly aliases: ReadonlyMap<string, string>;
}

export const NO_REGISTRIES: Registries = {
  rules: [],
  searchRegistries: undefined,
  shortNameMode: 'permissive',
  aliases: new Map(),
};

/** A registry or mirror that an image's bytes may come from. */
export interface Endpoint {
  /** The name of the image at this endpoint. Policy, store and messages use the name that the user wrote. */
  readonly reference: Reference;
  readonly insecure: boolean;
  readonly class: ConfigurationClass;
  readonly origin: string;
  /**
   * For a mirror that serves several registries: the path before `/v2/`, and the registry whose content is requested.
   */
  readonly mirrorApi?: { readonly prefix: string; readonly namespace: string };
}
