import type { RefuseBytes } from './read-packets.ts';

const BEGIN = '-----BEGIN PGP PUBLIC KEY BLOCK-----';
const END = '-----END PGP PUBLIC KEY BLOCK-----';
/** So begins the revocation certificate that gpg makes with each key, until the user wants it to count. */
const DISABLED = ':-----BEGIN PGP';
const HEADER = /^[A-Za-z][A-Za-z0-9-]*:(?: .*)?$/;

/**
 * Decodes every block of public keys in a text. Text around the blocks is ignored, as gpg does: key files of Linux
 * distributions describe each key in front of its block. Calls `refuse` for blocks of other kinds and damaged ones.
 * https://www.rfc-editor.org/rfc/rfc9580#section-6
 */
export function readArmor(text: string, refuse: RefuseBytes): readonly Uint8Array[] {
  const lines = text.split('\n').map((line) => line.trimEnd());
  const blocks: Uint8Array[] = [];
  for (let position = 0; position < lines.length; position++) {
    const line = lines[position] ?? '';
    // Without its revocation, which looks like text around the blocks, a revoked key would count.
    if (line.startsWith(DISABLED)) return refuse('gpg has put a colon before "-----BEGIN": remove the colon');
    if (!line.startsWith('-----BEGIN')) continue;
    if (line !== BEGIN) return refuse(`expected public keys, got ${line.replace(/^-+BEGIN |-+$/g, '').slice(0, 40)}`);
    const end = lines.indexOf(END, position);
    if (end < 0) return refuse('a block in ASCII armor has no end');
    blocks.push(readBlock(lines.slice(position + 1, end), refuse));
    position = end;
  }
  return blocks.length === 0 ? refuse('expected public keys in binary form or in ASCII armor') : blocks;
}

/** Headers, an empty line, base64, and an optional checksum. */
function readBlock(lines: readonly string[], refuse: RefuseBytes): Uint8Array {
  const blank = lines.indexOf('');
  if (blank < 0 || !lines.slice(0, blank).every((line) => HEADER.test(line))) {
    return refuse('the headers of a block in ASCII armor are damaged');
  }
  const content = lines.slice(blank + 1).filter((line) => line !== '');
  const checksum = content.at(-1)?.startsWith('=') ? content.pop() : undefined;
  const encoded = content.join('');
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== encoded) return refuse('a block in ASCII armor is damaged');
  if (checksum !== undefined && checksum !== `=${formatChecksum(bytes)}`) {
    return refuse('a block in ASCII armor does not match its checksum');
  }
  return bytes;
}

/** CRC-24. https://www.rfc-editor.org/rfc/rfc9580#section-6.1.1 */
function formatChecksum(bytes: Uint8Array): string {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if ((crc & 0x1000000) !== 0) crc ^= 0x1864cfb;
    }
  }
  return Buffer.from([crc >> 16, crc >> 8, crc]).toString('base64');
}
