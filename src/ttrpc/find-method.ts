import { redact, SealiftError } from '../errors/index.ts';
import type { Method, Services } from './types.ts';

/** The number of characters of a client's text that a message shows. */
const MAX_SHOWN = 128;

/** Returns the method that a client calls. Throws `TTRPC_METHOD_UNKNOWN` with the words of containerd's server. */
export function findMethod(services: Services, service: string, method: string): Method {
  const methods = services.get(service);
  if (methods === undefined) throw unknown(`service ${shown(service)}`);
  const found = methods.get(method);
  if (found === undefined) throw unknown(`method ${shown(method)}`);
  return found;
}

function shown(name: string): string {
  return redact(name).slice(0, MAX_SHOWN);
}

function unknown(message: string): SealiftError {
  return new SealiftError('TTRPC_METHOD_UNKNOWN', message);
}
