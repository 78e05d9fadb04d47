import { connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';

export interface TlsFront extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  stop(): Promise<void>;
}

export interface TlsFrontOptions {
  /** `127.0.0.1:PORT`, in the clear. */
  readonly target: string;
  readonly key: string;
  readonly cert: string;
  /** Takes only clients that show a certificate of this authority. */
  readonly clientAuthority?: string;
}

/** Takes TLS connections on a free loopback port and passes their bytes on. */
export async function startTlsFront({ target, key, cert, clientAuthority }: TlsFrontOptions): Promise<TlsFront> {
  const [hostname = '', port] = target.split(':');
  const open = new Set<Socket>();
  const clients = clientAuthority === undefined ? {} : { ca: clientAuthority, requestCert: true };
  const server = createServer({ key, cert, ...clients }, (client) => {
    const upstream = connect(Number(port), hostname);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  // A client that does not trust the certificate disconnects; its test expects that.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the TLS front has no port');
  const stop = (): Promise<void> => {
    for (const socket of open) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { host: `127.0.0.1:${address.port}`, stop, [Symbol.asyncDispose]: stop };
}
