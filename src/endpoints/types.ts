import type { Configuration, Endpoint } from '../config/index.ts';
import type { TransportSettings } from '../http/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Reference } from '../oci/index.ts';
import type { Credentials, ImageSupply, LookUpCredentials, MirrorApi } from '../registry/index.ts';
import type { ResourceLoader } from '../resources/index.ts';
import type { AuthorizedImage } from '../signature/index.ts';
import type { WaitForName } from './wait-for-name.ts';

/** The parts of a program that finding endpoints needs. */
export interface EndpointContext {
  readonly configuration: Configuration;
  readonly limits: Limits;
  readonly userAgent: string;
  readonly resources: ResourceLoader;
}

/** How to reach one registry or mirror: transport, credentials, and whether plain HTTP is allowed. */
export interface EndpointAccess {
  /** The name of the image at this endpoint; it only leads to bytes. */
  readonly reference: Reference;
  readonly mirrorApi: MirrorApi | undefined;
  readonly transport: TransportSettings;
  readonly allowHttp: boolean;
  readonly credentials: Credentials | LookUpCredentials | undefined;
  /** Where credentials were looked for, as the hint of a refusal; undefined: they were not looked for. */
  readonly missingCredentialsHint?: string | undefined;
  /** True: an endpoint that refuses the credentials is asked once more without any. */
  readonly anonymousFallback?: boolean;
  /** A sentence for the user. */
  readonly remark?: string | undefined;
  /** The configuration with the transport of this endpoint, whose class decides what may come over it. */
  readonly configuration: Configuration;
  /** What named the endpoint; the owner when absent. */
  readonly chosenBy?: Pick<Endpoint, 'class' | 'origin'>;
  /** Called before a request to a server whose name must be looked up. */
  readonly waitForName?: WaitForName | undefined;
  /** When the caller gives up, on the clock of the registry sources; absent if it waits for ever. */
  readonly deadlineMs?: number | undefined;
}

/**
 * Returns the endpoints of an image in the order in which they are asked; its own registry is the last. Reads the files
 * that configuration names, so it is called once for each pull. Throws `REGISTRY_BLOCKED`, `REGISTRIES_INVALID`,
 * `AUTHFILE_INVALID`, `CERTIFICATES_INVALID` and `CONFIG_CLASS_REFUSED`.
 */
export type FindEndpoints = (reference: Reference, signal?: AbortSignal) => Promise<readonly EndpointAccess[]>;

/** The endpoints of one image, found once for its pull. */
export interface ImageEndpoints {
  readonly supply: ImageSupply;
  /** Throws `CONFIG_CLASS_REFUSED` when the image's proof is too weak for the transport of one of the endpoints. */
  readonly assertTransport: (image: AuthorizedImage) => void;
}
