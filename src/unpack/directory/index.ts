export { deviceOf, readAttributes } from './copy-lower.ts';
export { createDirectoryWriter, type DirectoryWriter } from './directory-writer.ts';
export { openFileContent } from './file-content.ts';
export { createLowerView } from './lower-view.ts';
export { toSystemPath } from './system-path.ts';
export { describeWriteFailure } from './write-failure.ts';
