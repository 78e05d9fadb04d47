import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { SettingValues } from '../../../src/config/index.ts';
import type { ProgressEvent, PullResult, PullTarget } from '../../../src/pull/index.ts';
import { type TarMember, tar } from '../builders/tar-builder.ts';
import { type FakeAuth, type FakeRegistry, startFakeRegistry } from '../registries/fake-registry.ts';
import { composeTestCli } from './test-cli.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

export interface ServedDocument {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface ServedImage extends ServedDocument {
  /** Digests of the layer blobs, bottom to top. */
  readonly layers: readonly string[];
}

export const PLATFORM = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };

/** The CLI's pull in this process, against a registry in this process, with a store of its own. */
export class PullBed {
  readonly registry: FakeRegistry;
  readonly directory: string;

  constructor(registry: FakeRegistry) {
    this.registry = registry;
    this.directory = mkdtempSync(join(tmpdir(), 'sealift-pull-'));
  }

  static async open(auth?: FakeAuth): Promise<PullBed> {
    return new PullBed(await startFakeRegistry(auth === undefined ? {} : { auth }));
  }

  async close(): Promise<void> {
    await this.registry.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  reference(tagOrDigest: string): string {
    return `${this.registry.host}/app${tagOrDigest.includes(':') ? '@' : ':'}${tagOrDigest}`;
  }

  serveImage(layers: readonly (readonly TarMember[])[], options: { tag?: string; config?: object } = {}): ServedImage {
    const archives = layers.map((members) => tar([...members]));
    const blobs = archives.map((archive) => gzipSync(archive));
    const config = json({
      ...PLATFORM,
      rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
      config: { Cmd: ['/bin/true'] },
      ...options.config,
    });
    const manifest = json({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: this.#blob(CONFIG, config),
      layers: blobs.map((blob) => this.#blob(LAYER, blob)),
    });
    return { ...this.#manifest(MANIFEST, manifest, options.tag), layers: blobs.map(digestOf) };
  }

  serveIndex(entries: readonly object[], tag?: string): ServedDocument {
    return this.#manifest(INDEX, json({ schemaVersion: 2, mediaType: INDEX, manifests: entries }), tag);
  }

  /** How often the registry was asked for a blob. */
  fetchesOf(digest: string): number {
    return this.registry.requestsTo(new RegExp(`/blobs/${digest}$`)).length;
  }

  pull(
    tagOrDigest: string,
    target: PullTarget = { kind: 'store' },
    options: {
      settings?: SettingValues;
      signal?: AbortSignal;
      onProgress?: (event: ProgressEvent) => void;
    } = {},
  ): Promise<PullResult> {
    const commands = composeTestCli();
    const { signal = new AbortController().signal, onProgress = () => {} } = options;
    const settings = {
      'store.root': this.path('store'),
      'pull.tls_verify': false,
      'pull.insecure_policy': true,
      ...options.settings,
    } as const;
    const reference = this.reference(tagOrDigest);
    return commands.pull(
      { reference, target, settings, credentials: undefined, configFile: undefined, debug: false },
      { signal, onProgress },
    );
  }

  umount(directory: string): Promise<unknown> {
    const commands = composeTestCli();
    const settings = { 'store.root': this.path('store') };
    const io = { signal: new AbortController().signal, onProgress: () => {} };
    return commands.umount({ directory, settings, configFile: undefined, debug: false }, io);
  }

  #blob(mediaType: string, bytes: Buffer): ServedDocument {
    return { mediaType, digest: this.registry.addBlob(bytes), size: bytes.length };
  }

  #manifest(mediaType: string, bytes: Buffer, tag: string | undefined): ServedDocument {
    return { mediaType, digest: this.registry.addManifest('app', bytes, mediaType, tag), size: bytes.length };
  }
}

function json(document: object): Buffer {
  return Buffer.from(JSON.stringify(document));
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
