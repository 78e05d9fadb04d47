import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { SealiftError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import type { Reply } from '../../../src/ttrpc/index.ts';
import { openTtrpcClient } from '../../../src/ttrpc/open-client.ts';
import type { TtrpcClient } from '../../../src/ttrpc/types.ts';
import { forwardSocket } from './forward-socket.ts';
import type { PodVm } from './types.ts';

const NANOS_PER_MS = 1_000_000n;
/** The options that the kata agent sends, without device and mount point. */
export const SECURE_MOUNT_OPTIONS = {
  sourceType: 'empty',
  targetType: 'fileSystem',
  filesystemType: 'ext4',
  mkfsOpts: '-E lazy_journal_init',
  encryptionType: 'luks2',
  dataIntegrity: 'true',
} as const;
/** The same for an encrypted `emptyDir`; the agent adds `/run/kata-containers/sandbox/storage/<base64>`. */
export const EMPTY_DIR_OPTIONS = {
  ...SECURE_MOUNT_OPTIONS,
  mkfsOpts: '-O ^has_journal -m 0 -i 163840 -I 128',
} as const;

/**
 * The kata agent's calls, over one connection to a socket in the guest. Messages are written here field by field, by
 * https://github.com/kata-containers/kata-containers/blob/main/src/libs/protocols/protos/confidential_data_hub.proto
 */
export class AgentClient {
  readonly #path: string;
  readonly #forward: AsyncDisposable;
  #client: TtrpcClient;

  private constructor(path: string, forward: AsyncDisposable, client: TtrpcClient) {
    this.#path = path;
    this.#forward = forward;
    this.#client = client;
  }

  static async open(vm: PodVm, guestPath: string, folder: string): Promise<AgentClient> {
    const path = join(folder, 'agent.sock');
    const forward = await forwardSocket(vm, guestPath, path);
    return new AgentClient(path, forward, await openTtrpcClient(path, DEFAULT_LIMITS));
  }

  /** Connects again after the daemon was restarted; the agent itself does not do that. */
  async reconnect(): Promise<void> {
    this.#client.close();
    this.#client = await openTtrpcClient(this.#path, DEFAULT_LIMITS);
  }

  /** Returns the digest of the manifest; throws when the daemon returns an error. */
  async pullImage(image: string, bundle: string, options: { readonly timeoutMs?: number } = {}): Promise<string> {
    const { status, message, digest } = await this.tryPull(image, bundle, options);
    if (status !== 0) throw new Error(`PullImage ${image}: status ${status}: ${message}`);
    return digest ?? '';
  }

  async tryPull(image: string, bundle: string, options: { readonly timeoutMs?: number } = {}) {
    const request = new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string(image)
      .tag(2, WireType.LengthDelimited)
      .string(bundle)
      .finish();
    const timeoutMs = options.timeoutMs ?? 600_000;
    const { status, message, payload } = await this.#call('api.ImagePullService', 'PullImage', request, timeoutMs);
    return { status, message, digest: readStrings(payload).get(1) };
  }

  async secureMount(deviceId: string, mountPoint: string): Promise<void> {
    const { status, message } = await this.trySecureMount({ deviceId, ...SECURE_MOUNT_OPTIONS }, mountPoint);
    if (status !== 0) throw new Error(`SecureMount ${deviceId}: status ${status}: ${message}`);
  }

  trySecureMount(options: Readonly<Record<string, string>>, mountPoint: string) {
    const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string('block-device');
    for (const [key, value] of Object.entries(options)) {
      const entry = new BinaryWriter()
        .tag(1, WireType.LengthDelimited)
        .string(key)
        .tag(2, WireType.LengthDelimited)
        .string(value)
        .finish();
      writer.tag(2, WireType.LengthDelimited).bytes(entry);
    }
    const payload = writer.tag(4, WireType.LengthDelimited).string(mountPoint).finish();
    return this.#call('api.SecureMountService', 'SecureMount', payload, 600_000);
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#forward[Symbol.asyncDispose]();
    rmSync(this.#path, { force: true });
  }

  async #call(service: string, method: string, payload: Uint8Array, timeoutMs: number) {
    const call = { service, method, payload, timeoutNanos: BigInt(timeoutMs) * NANOS_PER_MS };
    const reply: Reply = await this.#client.call(call).catch(asDeadline);
    const { code: status, message } = reply.status;
    return { status, message, payload: reply.payload };
  }
}

/** Client and server apply the same deadline; either may be the first to report it. */
function asDeadline(error: unknown): Reply {
  if (!(error instanceof SealiftError) || error.code !== 'TTRPC_DEADLINE_EXCEEDED') throw error;
  return { status: { code: 4, message: error.message, details: [] }, payload: new Uint8Array() };
}

function readStrings(bytes: Uint8Array): ReadonlyMap<number, string> {
  const strings = new Map<number, string>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) strings.set(number, reader.string());
    else reader.skip(wireType, number);
  }
  return strings;
}
