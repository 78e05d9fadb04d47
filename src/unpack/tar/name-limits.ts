import { type ByteString, showByteString } from '../../bytes/index.ts';
import type { Limits } from '../../limits/index.ts';
import { overLimit } from './refuse.ts';

const SLASH = 0x2f;

/** Bounds a path by its bytes, the bytes of each component and their number; says nothing of where it leads. */
export function verifyNameLimits(what: string, unsafeName: ByteString, limits: Limits): void {
  verifyLength(what, unsafeName, limits);
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= unsafeName.length; at++) {
    if (at < unsafeName.length && unsafeName.charCodeAt(at) !== SLASH) continue;
    if (at - start > limits.maxNameBytes) {
      throw overLimit('maxNameBytes', describe(what, unsafeName), limits.maxNameBytes, at - start);
    }
    if (at > start) depth++;
    start = at + 1;
  }
  if (depth > limits.maxPathDepth) {
    throw overLimit('maxPathDepth', describe(what, unsafeName), limits.maxPathDepth, depth);
  }
}

/** The target of a symlink is text; only its length is bounded. */
export function verifyLinkLength(unsafeLinkname: ByteString, limits: Limits): void {
  verifyLength('link target', unsafeLinkname, limits);
}

function verifyLength(what: string, unsafeName: ByteString, limits: Limits): void {
  if (unsafeName.length > limits.maxPathBytes) {
    throw overLimit('maxPathBytes', describe(what, unsafeName), limits.maxPathBytes, unsafeName.length);
  }
}

function describe(what: string, unsafeName: ByteString): string {
  return `${what} ${showByteString(unsafeName.slice(0, 64))}`;
}
