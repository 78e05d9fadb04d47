import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface PusherCredentials {
  readonly username: string;
  readonly password: string;
}

/** Just enough of a push client, over plain http: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#push */
export class RegistryPusher {
  readonly #base: URL;
  readonly #repository: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(registryUrl: string, repository: string, credentials?: PusherCredentials) {
    this.#base = new URL(registryUrl);
    this.#repository = repository;
    this.#headers = credentials === undefined ? {} : { authorization: basic(credentials) };
  }

  async pushBlob(digest: string, size: number, open: () => Readable): Promise<void> {
    const known = await this.#send('HEAD', `/v2/${this.#repository}/blobs/${digest}`);
    if (known.statusCode === 200) return;
    const started = await this.#send('POST', `/v2/${this.#repository}/blobs/uploads/`);
    const { location } = started.headers;
    if (started.statusCode !== 202 || location === undefined) {
      throw new Error(`upload to ${this.#repository} was not started: ${started.statusCode}`);
    }
    const target = new URL(location, this.#base);
    target.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
    await this.#put(target, headers, open());
  }

  async pushManifest(
    reference: string,
    document: { readonly bytes: Buffer; readonly mediaType: string },
  ): Promise<void> {
    const headers = { 'content-type': document.mediaType, 'content-length': String(document.bytes.length) };
    const target = new URL(`/v2/${this.#repository}/manifests/${reference}`, this.#base);
    await this.#put(target, headers, Readable.from([document.bytes]));
  }

  async #put(target: URL, headers: Readonly<Record<string, string>>, body: Readable): Promise<void> {
    const answer = await this.#send('PUT', `${target.pathname}${target.search}`, headers, body);
    if (answer.statusCode !== 201) throw new Error(`PUT ${target.pathname}: ${answer.statusCode} ${answer.text}`);
  }

  #send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body: Readable = Readable.from([]),
  ): Promise<IncomingMessage & { readonly text: string }> {
    const { hostname, port } = this.#base;
    const length = method === 'POST' ? { 'content-length': '0' } : {};
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { hostname, port, method, path, headers: { ...this.#headers, ...length, ...headers } },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => resolve(Object.assign(answer, { text: Buffer.concat(chunks).toString() })));
        },
      );
      outgoing.on('error', reject);
      pipeline(body, outgoing).catch(reject);
    });
  }
}

function basic({ username, password }: PusherCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
