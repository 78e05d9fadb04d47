import { decodeBase64 } from '../signed-content/index.ts';
import type { Refuse } from './read-der.ts';

interface Block {
  readonly label: string;
  readonly base64: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n((?:[A-Za-z0-9+/=]+\r?\n)+)-----END \1-----(?:\s+|$)/gy;

/** True if the bytes are meant to be PEM, and not DER. */
export function isPem(rawBytes: Uint8Array): boolean {
  return Buffer.from(rawBytes.subarray(0, 64)).toString('latin1').trimStart().startsWith('-----');
}

/**
 * Decodes blocks of PEM with this label, with nothing around them but line ends. Node's own readers would take other
 * labels, and ignore what is around the first block. Calls `refuse` for anything else.
 * https://www.rfc-editor.org/rfc/rfc7468
 */
export function readPemBlocks(text: string, label: string, refuse: Refuse): readonly Uint8Array[] {
  const blocks = splitBlocks(text);
  if (blocks.length === 0) refuse(`expected PEM blocks "${label}" alone`);
  return blocks.map((block) => decodeBlock(block, label, refuse));
}

/** The same for exactly one block. */
export function readPemBlock(text: string, label: string, refuse: Refuse): Uint8Array {
  if (text.split('-----BEGIN ').length > 2) refuse('expected one PEM block, got several');
  const [block] = splitBlocks(text);
  if (block === undefined) return refuse(`expected one PEM block "${label}" alone`);
  return decodeBlock(block, label, refuse);
}

/** Returns none if there is anything but blocks. */
function splitBlocks(text: string): readonly Block[] {
  let end = 0;
  const blocks = [...text.matchAll(BLOCK)].map(([block, label = '', lines = '']) => {
    end += block.length;
    return { label, base64: lines.replaceAll(/\r?\n/g, '') };
  });
  return end === text.length ? blocks : [];
}

function decodeBlock({ label: found, base64 }: Block, label: string, refuse: Refuse): Uint8Array {
  if (found !== label) refuse(`expected a PEM block "${label}", got "${found}"`);
  return decodeBase64(base64) ?? refuse('the PEM block is no base64');
}
