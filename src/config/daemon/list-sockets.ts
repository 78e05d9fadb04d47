import { API_SERVICES, type ApiSocket } from './types.ts';

/** The sockets as the file names them. */
export interface WrittenSockets {
  /** `socket` of confidential-data-hub. */
  readonly socket?: string | undefined;
  /** `api.sockets` */
  readonly sockets?:
    | readonly { readonly path: string; readonly services?: ApiSocket['services'] | undefined }[]
    | undefined;
}

/** `unix:///run/x.sock` → `/run/x.sock` */
export function locateSocket(address: string): string {
  return address.startsWith('unix://') ? address.slice('unix://'.length) : address;
}

/** Returns the sockets that the file names, undefined if it names none, or what contradicts itself. */
export function listSockets({ socket, sockets }: WrittenSockets): readonly ApiSocket[] | undefined | string {
  const named = socket === undefined ? undefined : locateSocket(socket);
  const listed = sockets?.map(({ path, services = API_SERVICES }) => ({ path, services }));
  if (listed === undefined) return named === undefined ? undefined : [{ path: named, services: API_SERVICES }];
  const paths = listed.map(({ path }) => path);
  if (new Set(paths).size < paths.length) return 'api.sockets: expected each path once';
  if (named !== undefined && !paths.includes(named)) return 'socket: expected one of the paths in api.sockets';
  return listed;
}
