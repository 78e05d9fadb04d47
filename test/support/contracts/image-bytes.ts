import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { openArchive } from '../../../src/archive/index.ts';
import type { ErrorCode } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { parseFileReference } from '../../../src/oci/index.ts';
import type { ImageBytes } from '../../../src/pull/named-image.ts';
import { createImageSupply, fallBackAnonymously, type ImageSupply } from '../../../src/registry/index.ts';
import type { ImageSource } from '../../../src/registry/types.ts';
import { inlineArchiveRunner, readOffer } from '../beds/archive-bed.ts';
import { blobFile, tarFolder, writeLayout } from '../builders/archive-builder.ts';
import type { BuiltImage } from '../builders/image-builder.ts';
import { type FakeAuth, type FakeRegistry, startFakeRegistry } from '../registries/fake-registry.ts';
import { openSource } from '../registries/registry-fixture.ts';

/** What goes wrong with one document or blob where the image lies. */
export interface Damage {
  readonly digest: string;
  /** Returns what is there instead; undefined: nothing is there. */
  readonly alter: (bytes: Buffer) => Buffer | undefined;
}

export interface Serving {
  readonly image: BuiltImage;
  readonly damage?: Damage | undefined;
  /** Empty, and used by this subject only. */
  readonly folder: string;
}

/** An image that lies somewhere, as a pull reads it. */
export interface OpenedBytes extends AsyncDisposable {
  readonly bytes: ImageBytes;
  /** What is asked for first: a tag, or nothing where the reference itself says which image is meant. */
  readonly firstName: string;
}

export interface Subject {
  readonly name: string;
  readonly open: (serving: Serving) => Promise<OpenedBytes>;
  /** The codes for what is not there. */
  readonly missing: { readonly manifest: ErrorCode; readonly blob: ErrorCode };
}

const REGISTRY_LACKS = { manifest: 'REGISTRY_MANIFEST_UNKNOWN', blob: 'REGISTRY_BLOB_UNKNOWN' } as const;
const ARCHIVE_LACKS = { manifest: 'ARCHIVE_MEMBER_MISSING', blob: 'ARCHIVE_MEMBER_MISSING' } as const;

const REPOSITORY = 'team/app';
const TAG = 'latest';
const CREDENTIALS = { kind: 'basic', username: 'me', password: 'expired' } as const;

/** Every implementation of what a pull reads an image from. */
export const SUBJECTS: readonly Subject[] = [
  { name: 'a registry', open: (serving) => openRegistry(serving, {}), missing: REGISTRY_LACKS },
  {
    name: 'a registry that refuses the credentials and serves anonymous requests',
    // Its token service has no accounts.
    open: (serving) => openRegistry(serving, { auth: { kind: 'bearer', account: '' }, wrap: withRefused }),
    missing: REGISTRY_LACKS,
  },
  {
    name: 'a registry behind a mirror that has nothing',
    open: (serving) => openRegistry(serving, { hasMirror: true }),
    missing: REGISTRY_LACKS,
  },
  { name: 'an image layout', open: (serving) => openLayout(serving, 'oci'), missing: ARCHIVE_LACKS },
  { name: 'an image layout in a tar', open: (serving) => openLayout(serving, 'oci-archive'), missing: ARCHIVE_LACKS },
];

interface RegistryOptions {
  readonly auth?: FakeAuth;
  readonly hasMirror?: boolean;
  readonly wrap?: (registry: FakeRegistry) => { readonly source: ImageSource; readonly close: () => Promise<void> };
}

/** A source whose credentials the registry refuses, and which then goes on without. */
function withRefused(registry: FakeRegistry) {
  const [known, anonymous] = [openSource(registry, { credentials: CREDENTIALS }), openSource(registry)];
  const close = async () => void (await Promise.all([known.close(), anonymous.close()]));
  return { source: fallBackAnonymously(known.source, anonymous.source, () => {}), close };
}

async function openRegistry(
  { image, damage }: Serving,
  { auth = { kind: 'none' }, hasMirror = false, wrap = openSource }: RegistryOptions,
): Promise<OpenedBytes> {
  const registries = [await startFakeRegistry({ auth })];
  if (hasMirror) registries.unshift(await startFakeRegistry());
  const own = registries.at(-1);
  if (own !== undefined) serve(own, image, damage);
  const opened = registries.map((registry) => ({ name: registry.host, ...wrap(registry) }));
  const transport = { tlsVerify: false, extraRoots: [], userAgent: 'test' };
  const endpoints = opened.map(({ name, source }) => ({ name, source, transport }));
  const bytes: ImageSupply = createImageSupply(endpoints, { limits: DEFAULT_LIMITS, onRemark: () => {} });
  return {
    bytes,
    firstName: TAG,
    [Symbol.asyncDispose]: async () => {
      for (const { close } of opened) await close();
      for (const registry of registries) await registry.close();
    },
  };
}

function serve(
  registry: FakeRegistry,
  { top, manifest, config, layers }: BuiltImage,
  damage: Damage | undefined,
): void {
  registry.addManifest(REPOSITORY, manifest.bytes, manifest.mediaType);
  registry.addManifest(REPOSITORY, top.bytes, top.mediaType, TAG);
  for (const bytes of [config.bytes, ...layers.map(({ path }) => readFileSync(path))]) registry.addBlob(bytes);
  if (damage === undefined) return;
  const { digest, alter } = damage;
  const isRemoved = alter(Buffer.from('any bytes')) === undefined;
  const action = isRemoved
    ? ({ kind: 'answer', status: 404 } as const)
    : ({ kind: 'alter', alter: (body: Buffer) => alter(body) ?? body } as const);
  registry.inject({ match: new RegExp(digest), times: 99, action });
}

async function openLayout({ image, damage, folder }: Serving, transport: 'oci' | 'oci-archive'): Promise<OpenedBytes> {
  const layout = `${folder}/layout`;
  mkdirSync(layout, { recursive: true });
  writeLayout(layout, [{ image, name: TAG }]);
  if (damage !== undefined) alterFile(blobFile(layout, damage.digest), damage.alter);
  const path = transport === 'oci' ? layout : `${folder}/layout.tar`;
  if (transport === 'oci-archive') writeFileSync(path, tarFolder(layout));
  const ports = { runOperation: inlineArchiveRunner, scratchDir: folder, limits: DEFAULT_LIMITS };
  const archive = await openArchive(parseFileReference(`${transport}:${path}:${TAG}`), ports);
  return { bytes: archive.supply, firstName: '', [Symbol.asyncDispose]: () => archive.close() };
}

function alterFile(path: string, alter: Damage['alter']): void {
  const bytes = alter(readFileSync(path));
  if (bytes === undefined) rmSync(path);
  else writeFileSync(path, bytes);
}

/** The bytes that an offer for a layer leads to. */
export async function readLayer(offer: Awaited<ReturnType<ImageBytes['offerBlob']>>): Promise<Buffer> {
  if ('file' in offer) return readOffer(offer);
  const { url, headers } = offer.request;
  const response = await fetch(url, { headers });
  return Buffer.from(await response.arrayBuffer());
}
