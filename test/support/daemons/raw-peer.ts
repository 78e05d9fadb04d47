import { createConnection, type Socket } from 'node:net';

export interface RawFrame {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  readonly data: Buffer;
}

export interface RawStatus {
  readonly code: number;
  readonly message: string;
}

/** A client that sends any bytes at all, and reads frames without the code under test. */
export class RawPeer {
  readonly socket: Socket;
  /** Resolves when the connection is closed, by either side. */
  readonly closed: Promise<void>;
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => {};
  #isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk as Buffer]);
      this.#wake();
    });
    socket.on('error', () => {
      // 'close' follows; the tests look at that.
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
  }

  static async connect(path: string): Promise<RawPeer> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawPeer(socket);
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Resolves when the kernel has all of it. */
  flush(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  async nextFrame(): Promise<RawFrame> {
    for (;;) {
      const frame = this.#takeFrame();
      if (frame !== undefined) return frame;
      if (this.#isClosed) throw new Error('the connection was closed before a frame came');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  #takeFrame(): RawFrame | undefined {
    const bytes = this.#bytes;
    if (bytes.byteLength < 10) return undefined;
    const end = 10 + bytes.readUInt32BE(0);
    if (bytes.byteLength < end) return undefined;
    this.#bytes = bytes.subarray(end);
    const [streamId, type, flags] = [bytes.readUInt32BE(4), bytes.readUInt8(8), bytes.readUInt8(9)];
    return { streamId, type, flags, data: bytes.subarray(10, end) };
  }
}

/** Protobuf by hand for what the tests send: fields of up to 127 bytes. */
export function field(number: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.byteLength]), bytes]);
}

export function rawFrame(streamId: number, data: Uint8Array, { type = 1, flags = 0, length = data.byteLength } = {}) {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(length, 0);
  header.writeUInt32BE(streamId, 4);
  header.writeUInt8(type, 8);
  header.writeUInt8(flags, 9);
  return Buffer.concat([header, data]);
}

/** A call of the method `test.Service/<method>`. */
export function rawCall(streamId: number, method: string, payload: string | Uint8Array = ''): Buffer {
  return rawFrame(streamId, Buffer.concat([field(1, 'test.Service'), field(2, method), field(3, payload)]));
}
