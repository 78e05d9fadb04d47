import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requestPull } from '../../src/api/index.ts';
import { buildImage, buildLayer, pushImageBy } from '../../test/support/builders/image-builder.ts';
import { pseudoRandom } from '../../test/support/builders/small-image.ts';
import { file, tar } from '../../test/support/builders/tar-builder.ts';
import type { DaemonProcess } from '../../test/support/daemons/daemon-process.ts';
import { RegistryPusher } from '../../test/support/registries/registry-pusher.ts';
import type { GpgHome } from '../../test/support/signatures/gpg-home.ts';
import type { SignatureServer } from '../../test/support/signatures/signature-server.ts';
import type { PullBench } from './measure-cached-pulls.ts';
import {
  makeHostileMethod,
  makeSigningMethods,
  type PublishedImage,
  type SigningMethod,
  UNSIGNED,
} from './signing-methods.ts';

/** Images of each kind of signature. */
export const IMAGES = 5;

/** Images of one kind of signature. */
export interface SignedImages {
  readonly method: SigningMethod;
  readonly images: readonly PublishedImage[];
}

/** Signed images in the registry, and one policy for all of them. */
export interface SignatureBench extends PullBench {
  readonly unsigned: SignedImages;
  readonly signed: readonly SignedImages[];
  readonly hostile: SignedImages;
  /** JSON. */
  readonly policy: string;
  /** The document of registries.d. */
  readonly registriesD: string;
}

/** Pushes the same small images for each kind of signature, and signs them. */
export async function prepareSignatures(
  bench: PullBench,
  gpg: GpgHome,
  server: SignatureServer,
): Promise<SignatureBench> {
  const built = await Promise.all(Array.from({ length: IMAGES }, (_, number) => buildSmall(number, bench.folder)));
  const { registry } = bench;
  const publish = async (method: SigningMethod, count: number): Promise<SignedImages> => {
    const images: PublishedImage[] = [];
    for (const [number, image] of built.slice(0, count).entries()) {
      const repository = `signatures/${method.key}/image-${number}`;
      const pusher = new RegistryPusher(registry.url, repository);
      await pushImageBy(pusher, 'latest', image);
      const { digest } = image.top;
      const published = { pusher, repository, reference: `${registry.host}/${repository}:latest`, digest };
      await method.sign(published);
      images.push(published);
    }
    return { method, images };
  };
  const unsigned = await publish(UNSIGNED, IMAGES);
  const signed: SignedImages[] = [];
  for (const method of await makeSigningMethods(gpg, server)) signed.push(await publish(method, IMAGES));
  const hostile = await publish(makeHostileMethod(), 1);
  const scopes = [unsigned, ...signed, hostile].map(({ method }) => {
    return [`${registry.host}/signatures/${method.key}`, [method.requirement]];
  });
  const policy = { default: [{ type: 'reject' }], transports: { docker: Object.fromEntries(scopes) } };
  return {
    ...bench,
    unsigned,
    signed,
    hostile,
    policy: JSON.stringify(policy),
    registriesD: `default-docker:\n  lookaside: ${server.origin}\n`,
  };
}

/** One layer of 1 MB, half noise, half text. */
async function buildSmall(number: number, folder: string) {
  const noise = file('noise', pseudoRandom(500_000, `signed ${number}`));
  const layer = await buildLayer(tar([noise, file('text', `${number}\n`.repeat(250_000))]), 'gzip', folder);
  return buildImage({ format: 'oci', layers: [layer], config: { Cmd: ['/bin/true'] } });
}

/** Configures a daemon with the policy, and with the lookaside store unless it is to know none. */
export function configureDaemon(
  daemon: DaemonProcess,
  { policy, registriesD }: SignatureBench,
  hasLookaside = true,
): void {
  const lookaside = hasLookaside ? `sigstore_config = """\n${registriesD}"""\n` : '';
  daemon.writeConfig({ more: `[image]\nimage_security_policy = '${policy}'\n${lookaside}` });
}

let containers = 0;

/** Pulls an image into a new container, as the kata agent does. Returns the milliseconds until the answer. */
export async function pullSigned(
  daemon: DaemonProcess,
  { reference: imageUrl }: PublishedImage,
  signal: AbortSignal,
): Promise<number> {
  containers += 1;
  const bundlePath = daemon.path('bundles', `signed-${containers}`);
  mkdirSync(bundlePath);
  const startedMs = performance.now();
  await requestPull({ socketPath: daemon.socket, imageUrl, bundlePath, signal });
  return performance.now() - startedMs;
}

/** Writes the policy and the document of registries.d, and returns the options of `sealift pull` that name them. */
export function writePolicyFiles({ folder, policy, registriesD }: SignatureBench): readonly string[] {
  const [policyPath, registries] = [join(folder, 'policy.json'), join(folder, 'registries.d')];
  writeFileSync(policyPath, policy);
  mkdirSync(registries, { recursive: true });
  writeFileSync(join(registries, 'lookaside.yaml'), registriesD);
  return ['--policy', policyPath, '--registries.d', registries];
}
