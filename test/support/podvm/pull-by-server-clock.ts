import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { RawPeer, rawFrame } from '../daemons/raw-peer.ts';

const NANOS_PER_MS = 1_000_000n;

export interface ClockedAnswer {
  /** 4 if the deadline was exceeded. */
  readonly status: number;
  readonly ms: number;
}

/**
 * Calls PullImage with a deadline that only the server counts, so the response does not depend on a client's clock.
 * Fields of https://github.com/containerd/ttrpc/blob/v1.2.7/request.proto
 */
export async function pullByServerClock(
  socketPath: string,
  { image, bundle, timeoutMs }: { readonly image: string; readonly bundle: string; readonly timeoutMs: number },
): Promise<ClockedAnswer> {
  const peer = await RawPeer.connect(socketPath);
  try {
    const startedMs = performance.now();
    const request = texts(image, bundle).finish();
    const call = texts('api.ImagePullService', 'PullImage')
      .tag(3, WireType.LengthDelimited)
      .bytes(request)
      .tag(4, WireType.Varint)
      .int64(BigInt(timeoutMs) * NANOS_PER_MS);
    peer.send(rawFrame(1, call.finish()));
    const { data } = await peer.nextFrame();
    return { status: readStatus(data), ms: performance.now() - startedMs };
  } finally {
    peer.destroy();
  }
}

function texts(first: string, second: string): BinaryWriter {
  return new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(first)
    .tag(2, WireType.LengthDelimited)
    .string(second);
}

/** The code in the status of the answer; 0 is not sent. */
function readStatus(answer: Uint8Array): number {
  const status = findField(answer, 1, (reader) => reader.bytes());
  return status === undefined ? 0 : (findField(status, 1, (reader) => reader.int32()) ?? 0);
}

function findField<Value>(bytes: Uint8Array, field: number, read: (reader: BinaryReader) => Value): Value | undefined {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field) return read(reader);
    reader.skip(wireType, number);
  }
  return undefined;
}
