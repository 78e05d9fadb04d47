import { ok } from './checks.ts';
import { judgeImages } from './judge-registry.ts';
import type { NameFinding, NetworkFindings, ProxySetting } from './network-types.ts';
import type { Check } from './types.ts';

/** A name server may return thousands of addresses. */
const MAX_ADDRESSES = 4;

/** Returns the checks of the network, in the order in which a pull needs it. */
export function judgeNetwork(network: NetworkFindings): readonly Check[] {
  return [
    judgeProxies(network),
    judgeExceptions(network),
    judgeResolver(network),
    judgeRegistries(network),
    judgeAuthfiles(network),
    ...network.names.map(judgeName),
    ...judgeImages(network.images),
  ];
}

function judgeProxies({ proxies }: NetworkFindings): Check {
  const name = 'proxy';
  for (const { setting, origin, proxy } of proxies) {
    if (typeof proxy === 'string') continue;
    return { name, status: 'fail', detail: `${origin}: ${setting}: ${proxy.message}`, remedy: proxy.hint };
  }
  if (proxies.length === 0) return ok(name, 'none: registries are reached directly');
  return ok(name, proxies.map(describeProxy).join('; '));
}

function describeProxy({ setting, origin, class: source, proxy }: ProxySetting): string {
  const bound =
    source === 'measured'
      ? ''
      : ', unmeasured: only used for images with a digest or a required signature, and without measured credentials';
  return `${setting} ${String(proxy)} (${origin}${bound})`;
}

function judgeExceptions({ exceptions, proxies }: NetworkFindings): Check {
  const name = 'no-proxy';
  if (exceptions === undefined) return ok(name, 'no exceptions, except for this machine itself');
  const { origin, unreadable } = exceptions;
  if (unreadable.length > 0) {
    const remedy = 'write hosts, .domains, addresses and networks such as 10.0.0.0/8, without a scheme and a path';
    return { name, status: 'warn', detail: `${origin}: no host can match ${unreadable.join(', ')}`, remedy };
  }
  return ok(name, proxies.length === 0 ? `from ${origin}, and there is no proxy` : `from ${origin}`);
}

function judgeResolver({ resolver, names }: NetworkFindings): Check {
  const name = 'resolver';
  const nameservers = resolver === 'absent' ? [] : resolver.nameservers;
  if (nameservers.length > 0) return ok(name, `name servers ${nameservers.join(', ')}`);
  const detail = resolver === 'absent' ? 'there is no /etc/resolv.conf' : '/etc/resolv.conf names no name server';
  // Names may be in another source, such as /etc/hosts.
  if (names.length > 0 && names.every(({ answer }) => 'addresses' in answer)) {
    return ok(name, `${detail}; all names are found in another source`);
  }
  const remedy =
    'configure a name server; in a pod VM the kata agent writes the file when the sandbox has one (DNS of the pod), and sealiftd waits for it for 10 s';
  return { name, status: 'warn', detail, remedy };
}

function judgeRegistries({ registries }: NetworkFindings): Check {
  const name = 'registries';
  if ('message' in registries) return { name, status: 'fail', detail: registries.message, remedy: registries.hint };
  const { rules, mirrors } = registries;
  return ok(
    name,
    rules === 0 ? 'no rules: each image is pulled from the registry in its name' : `${rules} rules, ${mirrors} mirrors`,
  );
}

function judgeAuthfiles({ authfiles }: NetworkFindings): Check {
  const name = 'authfile';
  if ('message' in authfiles) return { name, status: 'fail', detail: authfiles.message, remedy: authfiles.hint };
  const { paths, idleHelpers } = authfiles;
  const detail = paths.length === 0 ? 'none: registries are asked anonymously' : paths.join(', ');
  if (idleHelpers.length === 0) return ok(name, detail);
  const remedy = 'write the credentials themselves into the file: helpers only run on the command line';
  return { name, status: 'warn', detail: `${detail}; not run here: ${idleHelpers.join(', ')}`, remedy };
}

/** Only a proxy is necessary for every pull: mirrors may be missing, and a registry has a check of its own. */
function judgeName({ host, use, answer }: NameFinding): Check {
  const name = 'name-lookup';
  if ('addresses' in answer) return { ...ok(name, `${use}: ${listSome(answer.addresses)}`), subject: host };
  const remedy = 'check the name, and that the name server of this machine can resolve it';
  return {
    name,
    subject: host,
    remedy,
    status: use === 'proxy' ? 'fail' : 'warn',
    detail: `${use} is not found: ${answer.failed}`,
  };
}

function listSome(addresses: readonly string[]): string {
  const more = addresses.length - MAX_ADDRESSES;
  return `${addresses.slice(0, MAX_ADDRESSES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
