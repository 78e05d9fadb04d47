import { SealiftError } from '../errors/index.ts';
import { isPrivateHost } from '../http/index.ts';

function refuse(registry: URL, why: string): never {
  throw new SealiftError('REGISTRY_AUTH_UNSUPPORTED', `token service of ${registry.host}: ${why}`);
}

/**
 * Returns the address of a token service, from the attacker-controlled realm of a challenge. It may be on another host,
 * as that of Docker Hub is. Because credentials are sent to it, it has to be https unless the registry itself is on http,
 * and no private address unless the registry is on one. Throws `REGISTRY_AUTH_UNSUPPORTED`.
 */
export function parseRealm(rawRealm: string, registry: URL): URL {
  const realm = URL.parse(rawRealm) ?? refuse(registry, 'expected an absolute URL as realm');
  if (realm.username !== '' || realm.password !== '') refuse(registry, 'the realm carries a user name or password');
  if (realm.protocol !== 'https:' && !(realm.protocol === 'http:' && registry.protocol === 'http:')) {
    refuse(registry, `expected an https realm, got ${realm.protocol}`);
  }
  if (isPrivateHost(realm.hostname) && !isPrivateHost(registry.hostname)) {
    refuse(registry, `a public registry names the private address ${realm.hostname}`);
  }
  realm.hash = '';
  return realm;
}
