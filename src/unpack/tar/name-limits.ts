import { type ByteString, showByteString } from '../../bytes/index.ts';
import { type Limits, limitExceeded } from '../../limits/index.ts';

const SLASH = 0x2f;

/** Bounds a path by its length, the length of each component and their number. Where it leads is not judged here. */
export function verifyNameLimits(what: string, unsafeName: ByteString, limits: Limits): void {
  verifyLength(what, unsafeName, limits);
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= unsafeName.length; at++) {
    if (at < unsafeName.length && unsafeName.charCodeAt(at) !== SLASH) continue;
    if (at - start > limits.maxNameBytes) {
      const excess = { limit: 'maxNameBytes', expected: limits.maxNameBytes, actual: at - start } as const;
      throw limitExceeded(describe(what, unsafeName), excess);
    }
    if (at > start) depth++;
    start = at + 1;
  }
  if (depth > limits.maxPathDepth) {
    const excess = { limit: 'maxPathDepth', expected: limits.maxPathDepth, actual: depth } as const;
    throw limitExceeded(describe(what, unsafeName), excess);
  }
}

/** Bounds the length of a symlink's target, which is text. */
export function verifyLinkLength(unsafeLinkname: ByteString, limits: Limits): void {
  verifyLength('link target', unsafeLinkname, limits);
}

function verifyLength(what: string, unsafeName: ByteString, limits: Limits): void {
  if (unsafeName.length > limits.maxPathBytes) {
    const excess = { limit: 'maxPathBytes', expected: limits.maxPathBytes, actual: unsafeName.length } as const;
    throw limitExceeded(describe(what, unsafeName), excess);
  }
}

function describe(what: string, unsafeName: ByteString): string {
  return `${what} ${showByteString(unsafeName.slice(0, 64))}`;
}
