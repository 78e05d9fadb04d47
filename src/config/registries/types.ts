import type { Reference } from '../../oci/index.ts';
import type { ConfigurationClass } from '../types.ts';

/** For which references a mirror is asked. */
export const MIRROR_USES = ['all', 'digest-only', 'tag-only'] as const;
export type MirrorUse = (typeof MIRROR_USES)[number];

export interface RegistryMirror {
  /** `host[:port][/path…]`, which takes the place of the rule's prefix. */
  readonly location: string;
  /** Plain http and certificates that nobody vouches for will do. */
  readonly insecure: boolean;
  readonly use: MirrorUse;
}

/** One `[[registry]]` table. */
export interface RegistryRule {
  /** The beginning of a name, or `*.domain`. */
  readonly prefix: string;
  /** What takes the place of the prefix; undefined leaves the name as it is. */
  readonly location: string | undefined;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly RegistryMirror[];
  /** For messages: the file. */
  readonly origin: string;
}

export const SHORT_NAME_MODES = ['enforcing', 'permissive', 'disabled'] as const;
export type ShortNameMode = (typeof SHORT_NAME_MODES)[number];

/** What one file says; what it leaves out, an earlier one decides. */
export interface RegistriesDocument {
  readonly rules: readonly RegistryRule[];
  readonly searchRegistries: readonly string[] | undefined;
  readonly shortNameMode: ShortNameMode | undefined;
  /** Full names by short ones; undefined takes an alias away. */
  readonly aliases: ReadonlyMap<string, string | undefined>;
}

/** Where images come from, and what names without a host stand for. */
export interface Registries {
  readonly rules: readonly RegistryRule[];
  /** Undefined: nobody has said. */
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

/** One place that an image's bytes may come from. */
export interface Endpoint {
  /** Its name there. The image is called, judged and kept by the name that the user wrote. */
  readonly reference: Reference;
  readonly insecure: boolean;
  readonly class: ConfigurationClass;
  readonly origin: string;
  /** Of a mirror that serves several registries: what stands before `/v2/`, and whose content is asked for. */
  readonly mirrorApi?: { readonly prefix: string; readonly namespace: string };
}
