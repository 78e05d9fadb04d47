export { createDirectoryWriter, type DirectoryWriter, type DirectoryWriterOptions } from './directory-writer.ts';
export { createLowerView } from './lower-view.ts';
