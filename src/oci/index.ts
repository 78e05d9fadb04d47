export type { Descriptor } from './descriptor.ts';
export { type Digest, digestAlgorithm, digestHex, isDigest, parseDigest } from './digest.ts';
export type { Platform } from './platform.ts';
