export { createErofsWriter } from './erofs-writer.ts';
export type { ErofsImage, ErofsWriter, ErofsWriterOptions, VerityFacts } from './types.ts';
