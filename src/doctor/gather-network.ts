import type { Run } from '../operations/index.ts';
import type { EndpointFinding, ImageFinding, ImageView, NetworkFindings, NetworkPorts } from './network-types.ts';
import type { DoctorOperations } from './types.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/**
 * The time that the resolver of libc waits for the first name server. Nothing can stop a look-up: the process ends when libc
 * has given up. https://man7.org/linux/man-pages/man5/resolv.conf.5.html
 */
const LOOKUP_TIMEOUT_MS = 5_000;

/** Looks names up, and asks the registries of the images that were named, one after the other. */
export async function gatherNetwork(
  { view, ask }: NetworkPorts,
  runOperation: Run<DoctorOperations>,
): Promise<NetworkFindings> {
  const { proxies, exceptions, registries, authfiles, hosts } = view;
  const resolver = await runOperation('readResolver', { path: RESOLV_CONF });
  const outcomes =
    hosts.length === 0
      ? []
      : await runOperation('resolveNames', { hosts: hosts.map(({ host }) => host), timeoutMs: LOOKUP_TIMEOUT_MS });
  const names = outcomes.flatMap((outcome, index) => {
    const wanted = hosts[index];
    return wanted === undefined ? [] : [{ ...wanted, ...outcome }];
  });
  const images: ImageFinding[] = [];
  for (const image of view.images) images.push(await askForImage(image, ask));
  return { proxies, exceptions, registries, authfiles, resolver, names, images };
}

async function askForImage(view: ImageView, ask: NetworkPorts['ask']): Promise<ImageFinding> {
  if ('refusal' in view) return view;
  const endpoints: EndpointFinding[] = [];
  for (const endpoint of view.endpoints) endpoints.push({ ...endpoint, answer: await ask(endpoint) });
  return { image: view.image, endpoints };
}
