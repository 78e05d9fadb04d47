import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../../src/oci/index.ts';

interface RecordedBlob {
  readonly text?: string;
  readonly base64?: string;
}

interface RecordedEntry {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A signed image as cosign 3.1.3 left it in a registry, in the form of an image layout. */
export interface RecordedLayout {
  readonly name: string;
  /** What was signed. */
  readonly digest: Digest;
  readonly index: { readonly manifests: readonly RecordedEntry[] };
  readonly blobs: Readonly<Record<string, RecordedBlob>>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';
const FILE = new URL('../../../testdata/attachments/layouts.json', import.meta.url);

export const RECORDED_LAYOUTS: readonly RecordedLayout[] = JSON.parse(readFileSync(FILE, 'utf8')).layouts;

export function recordedLayout(wanted: string): RecordedLayout {
  const found = RECORDED_LAYOUTS.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no recorded layout ${wanted}`);
  return found;
}

export function blobOf({ blobs }: RecordedLayout, digest: string): Buffer {
  const { text, base64 = '' } = blobs[digest] ?? {};
  return text === undefined ? Buffer.from(base64, 'base64') : Buffer.from(text);
}

export interface RecordedManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  /** The tag, or the digest of an untagged one. */
  readonly name: string;
}

/** All manifests, with those that are named in others before these. */
export function manifestsOf(layout: RecordedLayout): readonly RecordedManifest[] {
  const entries = layout.index.manifests.flatMap((entry) => [...childrenOf(layout, entry), entry]);
  const named = entries.map(({ digest, mediaType, annotations }) => {
    return { bytes: blobOf(layout, digest), mediaType, name: annotations?.[REF_NAME] ?? digest };
  });
  return [...new Map(named.map((manifest) => [manifest.name, manifest])).values()];
}

function childrenOf(layout: RecordedLayout, { digest, mediaType }: RecordedEntry): readonly RecordedEntry[] {
  if (!mediaType.includes('index')) return [];
  const { manifests }: RecordedLayout['index'] = JSON.parse(blobOf(layout, digest).toString());
  return manifests;
}

/** Writes the layout into a folder that does not exist. */
export function writeRecordedLayout(layout: RecordedLayout, folder: string): void {
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, 'index.json'), JSON.stringify(layout.index));
  for (const digest of Object.keys(layout.blobs)) {
    writeFileSync(join(blobs, digest.slice('sha256:'.length)), blobOf(layout, digest));
  }
}
