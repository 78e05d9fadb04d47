import type { ConfigurationClass } from '../config/index.ts';
import type { Trouble } from './daemon-types.ts';

/** A proxy as somebody has set it. */
export interface ProxySetting {
  /** `pull.proxy.https` */
  readonly setting: string;
  readonly origin: string;
  readonly class: ConfigurationClass;
  /** Host and port, and nothing that stands before them; or why it cannot be used. */
  readonly proxy: string | Trouble;
}

/** What is reached without a proxy. */
export interface ProxyExceptions {
  readonly origin: string;
  /** Entries that no host can match. */
  readonly unreadable: readonly string[];
}

export type HostUse = 'proxy' | 'registry' | 'mirror';

/** A host that pulls look up. */
export interface WantedHost {
  readonly host: string;
  readonly use: HostUse;
}

/** One place that an image may come from. */
export interface ImagePlace {
  /** Its repository there. */
  readonly name: string;
  /** With the port, as in a reference. */
  readonly host: string;
  readonly use: Exclude<HostUse, 'proxy'>;
  /** Where credentials for it lie, never what they are. */
  readonly credentials: string | undefined;
}

export type ImageView =
  | { readonly image: string; readonly places: readonly ImagePlace[] }
  /** Why nobody is asked. */
  | { readonly image: string; readonly refusal: Trouble };

/** Files with credentials that pulls read. */
export interface AuthfileView {
  readonly paths: readonly string[];
  /** Helpers that they name and that nobody runs: those of a guest. */
  readonly idleHelpers: readonly string[];
}

/** What pulls would do on the network, as far as configuration says. */
export interface NetworkView {
  readonly proxies: readonly ProxySetting[];
  readonly exceptions: ProxyExceptions | undefined;
  /** Of registries.conf and its likes. */
  readonly registries: { readonly rules: number; readonly mirrors: number } | Trouble;
  readonly authfiles: AuthfileView | Trouble;
  readonly hosts: readonly WantedHost[];
  readonly images: readonly ImageView[];
}

export type RegistryAnswer =
  | {
      readonly kind: 'answered';
      readonly scheme: 'https' | 'http';
      /** Host and port of the one that was gone through. */
      readonly proxy: string | undefined;
      readonly status: number;
      readonly tookMs: number;
      /** Of the machine that answered, when its Date header says so, and of this one at that moment. */
      readonly dates: { readonly theirsMs: number; readonly oursMs: number } | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly proxy: string | undefined;
      /** The code of the socket, of TLS or of the resolver; empty: another reason. */
      readonly fault: string;
      readonly message: string;
      readonly hint: string;
    };

export interface NetworkPorts {
  readonly view: NetworkView;
  /** Asks a registry whether it is one, and nothing else. */
  readonly ask: (place: ImagePlace) => Promise<RegistryAnswer>;
}

export type ResolverFacts = { readonly nameservers: readonly string[] } | 'absent';

export interface NameOutcome {
  readonly host: string;
  readonly answer: { readonly addresses: readonly string[] } | { readonly failed: string };
}

export interface NameFinding extends WantedHost, NameOutcome {}

export interface PlaceFinding extends ImagePlace {
  readonly answer: RegistryAnswer;
}

export type ImageFinding =
  | { readonly image: string; readonly places: readonly PlaceFinding[] }
  | { readonly image: string; readonly refusal: Trouble };

export interface NetworkFindings extends Pick<NetworkView, 'proxies' | 'exceptions' | 'registries' | 'authfiles'> {
  readonly resolver: ResolverFacts;
  readonly names: readonly NameFinding[];
  readonly images: readonly ImageFinding[];
}
