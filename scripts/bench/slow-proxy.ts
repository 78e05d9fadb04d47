import { connect, createServer, type Socket } from 'node:net';

/** Half of it a way, so that a question and its answer take all of it. */
export const ROUND_TRIP_MS = 10;
export const BYTES_PER_SECOND = 50e6;
/** What a connection may hold back: the bytes under way and some more for the timers. */
const HELD_BYTES = 1 << 20;

/**
 * A far registry: listens on a free loopback port, prints it, and passes bytes on late and no faster than the rate, each
 * connection by itself. Runs as a process of its own, so that its timers do not wait for the bench. Ends with stdin.
 */
function serve(upstreamPort: number): void {
  const server = createServer((client) => {
    const upstream = connect(upstreamPort, '127.0.0.1');
    // The handshake would have cost a round trip too.
    passOn(client, upstream, ROUND_TRIP_MS);
    passOn(upstream, client, 0);
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object') console.log(address?.port);
  });
  process.stdin.on('end', () => process.exit()).resume();
}

function passOn(from: Socket, to: Socket, firstDelayMs: number): void {
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
    freeAt = Math.max(freeAt, now) + (chunk.length / BYTES_PER_SECOND) * 1000;
    queue.push({ due: freeAt + ROUND_TRIP_MS / 2, chunk });
    heldBytes += chunk.length;
    if (heldBytes >= HELD_BYTES || to.writableLength >= HELD_BYTES) from.pause();
    schedule(freeAt + ROUND_TRIP_MS / 2 - now);
  });
  to.on('drain', () => from.resume());
  from.on('end', () => {
    hasEnded = true;
    schedule(ROUND_TRIP_MS / 2);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => {
    if (!hasEnded) to.destroy();
  });
}

serve(Number(process.argv[2]));
