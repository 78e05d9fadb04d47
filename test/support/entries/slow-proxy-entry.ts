import { connect, createServer, type Socket } from 'node:net';
import type { SlowWire } from '../proxies/slow-proxy.ts';

/** Bytes that a connection may hold back: those under way and some more for the timers. */
const HELD_BYTES = 1 << 20;

/** Listens on a free loopback port, prints it, and ends with stdin. */
function serve(upstreamPort: number, wire: SlowWire): void {
  const server = createServer((client) => {
    const upstream = connect(upstreamPort, '127.0.0.1');
    // The handshake would have cost a round trip too.
    passOn(client, upstream, wire, wire.roundTripMs);
    passOn(upstream, client, wire, 0);
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object') process.stdout.write(`${address?.port}\n`);
  });
  process.stdin.on('end', () => process.exit()).resume();
}

function passOn(from: Socket, to: Socket, { roundTripMs, bytesPerSecond }: SlowWire, firstDelayMs: number): void {
  const queue: { readonly due: number; readonly chunk: Buffer }[] = [];
  let heldBytes = 0;
  let freeAt = performance.now() + firstDelayMs;
  let isScheduled = false;
  let hasEnded = false;
  from.setNoDelay(true);

  const schedule = (delayMs: number): void => {
    if (isScheduled) return;
    isScheduled = true;
    setTimeout(release, Math.max(1, delayMs));
  };
  const release = (): void => {
    isScheduled = false;
    const now = performance.now();
    for (let head = queue[0]; head !== undefined && head.due <= now; head = queue[0]) {
      queue.shift();
      heldBytes -= head.chunk.length;
      if (!to.destroyed) to.write(head.chunk);
    }
    if (heldBytes < HELD_BYTES && to.writableLength < HELD_BYTES) from.resume();
    if (queue[0] !== undefined) schedule(queue[0].due - now);
    else if (hasEnded) to.end();
  };
  from.on('data', (chunk: Buffer) => {
    const now = performance.now();
    freeAt = Math.max(freeAt, now) + (chunk.length / bytesPerSecond) * 1000;
    queue.push({ due: freeAt + roundTripMs / 2, chunk });
    heldBytes += chunk.length;
    if (heldBytes >= HELD_BYTES || to.writableLength >= HELD_BYTES) from.pause();
    schedule(freeAt + roundTripMs / 2 - now);
  });
  to.on('drain', () => from.resume());
  from.on('end', () => {
    hasEnded = true;
    schedule(roundTripMs / 2);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => {
    if (!hasEnded) to.destroy();
  });
}

const [port, bytesPerSecond, roundTripMs] = process.argv.slice(2).map(Number);
serve(port ?? 0, { bytesPerSecond: bytesPerSecond ?? 0, roundTripMs: roundTripMs ?? 0 });
