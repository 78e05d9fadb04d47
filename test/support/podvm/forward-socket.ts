import { createServer } from 'node:net';
import { pipeline } from 'node:stream';
import type { PodVm } from './types.ts';

/** A unix socket on the host at `path` whose connections end at `guestPath` in the guest. */
export async function forwardSocket(vm: PodVm, guestPath: string, path: string): Promise<AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    vm.connect(guestPath).then(
      (guest) => {
        // Whichever side ends takes the other with it; how is for the ends to notice.
        pipeline(socket, guest, () => socket.destroy());
        pipeline(guest, socket, () => guest.destroy());
      },
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
