import { fileURLToPath } from 'node:url';

/**
 * Holds what takes long to make (the kernel, the constant part of the initramfs) and the serial output of the last
 * runs.
 */
export const CACHE_FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/sealift/podvm', import.meta.url));
