/** https://github.com/containerd/ttrpc/blob/v1.2.7/PROTOCOL.md#message-frame */
export const FRAME_HEADER_BYTES = 10;

/** https://github.com/containerd/ttrpc/blob/v1.2.7/PROTOCOL.md#mesage-types */
export const FRAME_TYPE = { request: 1, response: 2, data: 3 } as const;

export interface FrameHeader {
  /** The number of data bytes that follow the header. */
  readonly length: number;
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
}

/** `header` holds exactly ten bytes. */
export function parseFrameHeader(header: Buffer): FrameHeader {
  return {
    length: header.readUInt32BE(0),
    streamId: header.readUInt32BE(4),
    type: header.readUInt8(8),
    flags: header.readUInt8(9),
  };
}

export function formatFrame(header: Omit<FrameHeader, 'length'>, data: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + data.byteLength);
  frame.writeUInt32BE(data.byteLength, 0);
  frame.writeUInt32BE(header.streamId, 4);
  frame.writeUInt8(header.type, 8);
  frame.writeUInt8(header.flags, 9);
  frame.set(data, FRAME_HEADER_BYTES);
  return frame;
}
