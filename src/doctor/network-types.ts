import type { Configuration, ConfigurationClass, Registries } from '../config/index.ts';
import type { EndpointAccess, FindEndpoints, LocatedCredentials } from '../endpoints/index.ts';
import type { HttpClient, TransportSettings } from '../http/index.ts';
import type { Reference } from '../oci/index.ts';
import type { Trouble } from './trouble.ts';

/** How the doctor learns what pulls would do on the network. */
export interface NetworkSources {
  readonly proxy: Configuration['pull']['proxy'];
  /** As the user wrote them. */
  readonly images: readonly string[];
  /** Throws `REGISTRIES_INVALID`. */
  readonly loadRegistries: () => Promise<Registries>;
  /** Returns the full names that an image stands for. */
  readonly namesOf: (image: string, registries: Registries) => readonly string[];
  readonly findEndpoints: (registries: Registries) => FindEndpoints;
  /** The files that pulls read credentials from. */
  readonly authfiles: readonly string[];
  /** Returns which of these files has the credentials of a repository. Throws `AUTHFILE_INVALID`. */
  readonly locateCredentials: (reference: Reference) => Promise<LocatedCredentials | undefined>;
  /** Returns the programs that these files name. Throws `AUTHFILE_INVALID`. */
  readonly findHelpers: () => Promise<readonly string[]>;
  /** The PATH that these programs are looked for in; undefined: they are never run. */
  readonly helperPath: string | undefined;
  /** Returns the source of credentials for a host that are in no file. */
  readonly secretsFrom: (host: string) => string;
  /** Mirrors that are configured outside of registries.conf. */
  readonly mirrorHosts: readonly string[];
  readonly urlOf: (endpoint: EndpointAccess, scheme: 'https' | 'http') => URL;
  readonly openHttp: (transport: TransportSettings) => HttpClient;
  readonly maxAnswerBytes: number;
  readonly signal: AbortSignal;
}

/** A proxy as it is configured. */
export interface ProxySetting {
  /** `pull.proxy.https` */
  readonly setting: string;
  readonly origin: string;
  readonly class: ConfigurationClass;
  /** Host and port without credentials, or why the proxy cannot be used. */
  readonly proxy: string | Trouble;
}

/** The hosts that are reached without a proxy. */
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

/** A registry or mirror that an image may come from. */
export interface ImageEndpoint {
  /** The repository of the image there. */
  readonly name: string;
  /** The host with its port, as in a reference. */
  readonly host: string;
  readonly use: Exclude<HostUse, 'proxy'>;
  /** The file or program that has credentials for it, never the credentials themselves. */
  readonly credentials: string | undefined;
}

export type ImageView =
  | { readonly image: string; readonly endpoints: readonly ImageEndpoint[] }
  /** Why no endpoint is asked. */
  | { readonly image: string; readonly refusal: Trouble };

/** Files with credentials that pulls read. */
export interface AuthfileView {
  readonly paths: readonly string[];
  /** Helpers that they name and that are not run, as in a guest. */
  readonly idleHelpers: readonly string[];
}

/** What pulls would do on the network, as far as configuration says. */
export interface NetworkView {
  readonly proxies: readonly ProxySetting[];
  readonly exceptions: ProxyExceptions | undefined;
  /** The number of rules and mirrors in registries.conf and its drop-ins. */
  readonly registries: { readonly rules: number; readonly mirrors: number } | Trouble;
  readonly authfiles: AuthfileView | Trouble;
  readonly hosts: readonly WantedHost[];
  readonly images: readonly ImageView[];
}

export type RegistryAnswer =
  | {
      readonly kind: 'answered';
      readonly scheme: 'https' | 'http';
      /** Host and port of the proxy that the request went through. */
      readonly proxy: string | undefined;
      readonly status: number;
      /** The media type and title of the answer if it is a web page. */
      readonly page: string | undefined;
      readonly tookMs: number;
      /** The time of the machine that answered, by its Date header, and of this one at that moment. */
      readonly dates: { readonly theirsMs: number; readonly oursMs: number } | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly proxy: string | undefined;
      /** The error code of the socket, of TLS or of the resolver; empty for any other reason. */
      readonly fault: string;
      readonly message: string;
      readonly hint: string;
    };

export interface NetworkPorts {
  readonly view: NetworkView;
  /** Asks an endpoint whether it is a registry, and nothing else. */
  readonly ask: (endpoint: ImageEndpoint) => Promise<RegistryAnswer>;
}

export type ResolverFacts = { readonly nameservers: readonly string[] } | 'absent';

export interface NameOutcome {
  readonly host: string;
  readonly answer: { readonly addresses: readonly string[] } | { readonly failed: string };
}

export interface NameFinding extends WantedHost, NameOutcome {}

export interface EndpointFinding extends ImageEndpoint {
  readonly answer: RegistryAnswer;
}

export type ImageFinding =
  | { readonly image: string; readonly endpoints: readonly EndpointFinding[] }
  | { readonly image: string; readonly refusal: Trouble };

export interface NetworkFindings extends Pick<NetworkView, 'proxies' | 'exceptions' | 'registries' | 'authfiles'> {
  readonly resolver: ResolverFacts;
  readonly names: readonly NameFinding[];
  readonly images: readonly ImageFinding[];
}
