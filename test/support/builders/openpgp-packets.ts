import { deflateRawSync, deflateSync } from 'node:zlib';
import { formatPacket, type Packet, readPackets, TAGS } from '../../../src/signature/simple-signing/read-packets.ts';

const unreadable = (what: string): never => {
  throw new Error(what);
};

/** The packets of bytes that are known to be good. */
export const packetsOf = (bytes: Uint8Array): readonly Packet[] => [...readPackets(bytes, unreadable)];

export const packet = (tag: number, body: Uint8Array): Uint8Array => formatPacket({ tag, body });

export const join = (packets: readonly Packet[]): Buffer => Buffer.concat(packets.map(formatPacket));

/** A compressed packet with a definite length around other packets. */
export function compressedPacket(inner: Uint8Array, algorithm: 'zip' | 'zlib' = 'zip'): Uint8Array {
  const isZip = algorithm === 'zip';
  const content = isZip ? deflateRawSync(inner) : deflateSync(inner);
  return packet(TAGS.compressed, Buffer.concat([Buffer.from([isZip ? 1 : 2]), content]));
}

/** A literal packet with binary content, as `gpg --store` makes it. */
export function literalPacket(content: Uint8Array | string): Uint8Array {
  return packet(TAGS.literal, Buffer.concat([Buffer.from('b\0\0\0\0\0'), Buffer.from(content)]));
}
