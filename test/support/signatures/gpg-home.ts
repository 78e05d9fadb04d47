import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, runCommand } from '../machine/commands.ts';

export interface KeyOptions {
  /** As gpg names it; `ed25519` when absent. */
  readonly algorithm?: string;
  /** As gpg writes it: `never`, or a date such as `20200201T000000`. */
  readonly expires?: string;
  /** When gpg believes that it is, such as `20200101T000000`. */
  readonly at?: string;
  /** Makes a key that only certifies, with a subkey that signs. */
  readonly withSubkey?: boolean;
}

export interface SignOptions {
  readonly at?: string;
  /** Further parameters of gpg. */
  readonly parameters?: readonly string[];
  /** `--sign` when absent. */
  readonly mode?: '--sign' | '--clear-sign' | '--detach-sign' | '--store';
}

/** The payload of a simple signature. container-signature(5) */
export function signaturePayload(
  reference: string,
  digest: string,
  changes: { readonly critical?: object; readonly optional?: object; readonly more?: object } = {},
): string {
  return JSON.stringify({
    critical: {
      identity: { 'docker-reference': reference },
      image: { 'docker-manifest-digest': digest },
      type: 'atomic container signature',
      ...changes.critical,
    },
    optional: { creator: 'test', timestamp: 1_769_904_000, ...changes.optional },
    ...changes.more,
  });
}

/** A key ring of gpg in a folder of its own. Keys are named by their users: `alice` is `alice@example.org`. */
export class GpgHome implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), 'sealift-gpg-'));

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, GNUPGHOME: this.path };
  }

  /** Returns the fingerprint of the primary key. */
  async makeKey(name: string, { algorithm = 'ed25519', expires = 'never', at, withSubkey }: KeyOptions = {}) {
    const usage = withSubkey === true ? 'cert' : 'default';
    await this.#run(
      ['--quick-generate-key', `${name} (TEST ONLY) <${name}@example.org>`, algorithm, usage, expires],
      at,
    );
    const fingerprint = await this.#fingerprint(name);
    if (withSubkey === true) await this.#run(['--quick-add-key', fingerprint, algorithm, 'sign', expires], at);
    return fingerprint;
  }

  /** Revokes a key with the certificate that gpg has made beside it. */
  async revoke(name: string): Promise<void> {
    const file = join(this.path, 'openpgp-revocs.d', `${await this.#fingerprint(name)}.rev`);
    const certificate = (await mustRun('sed', ['s/^:---/---/', file])).toString();
    await this.#run(['--import'], undefined, Buffer.from(certificate));
  }

  /** The public keys, as a binary key ring. */
  exportKeys(...names: readonly string[]): Promise<Buffer> {
    return this.#run(['--export', ...names.map((name) => `${name}@example.org`)]);
  }

  sign(name: string, payload: string, { at, parameters = [], mode = '--sign' }: SignOptions = {}): Promise<Buffer> {
    const user = mode === '--store' ? [] : ['--local-user', `${name}@example.org`];
    return this.#run([...user, ...parameters, '--output', '-', mode], at, Buffer.from(payload));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await runCommand('gpgconf', ['--kill', 'all'], { env: this.environment });
    rmSync(this.path, { recursive: true, force: true });
  }

  async #fingerprint(name: string): Promise<string> {
    const listing = await this.#run(['--with-colons', '--list-keys', `${name}@example.org`]);
    const [, fingerprint] = /^fpr:+([0-9A-F]{40}):/m.exec(listing.toString()) ?? [];
    if (fingerprint === undefined) throw new Error(`gpg has no key of ${name}`);
    return fingerprint;
  }

  #run(parameters: readonly string[], at?: string, input?: Uint8Array): Promise<Buffer> {
    const quiet = ['--batch', '--quiet', '--no-tty', '--yes', '--pinentry-mode', 'loopback', '--passphrase', ''];
    const time = at === undefined ? [] : ['--faked-system-time', `${at}!`];
    const options = { env: this.environment, ...(input === undefined ? {} : { input }) };
    return mustRun('gpg', [...quiet, ...time, ...parameters], options);
  }
}
