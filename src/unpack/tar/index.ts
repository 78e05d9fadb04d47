export { readTar } from './read-tar.ts';
