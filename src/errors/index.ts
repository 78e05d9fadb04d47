export { CODES, type ErrorCode, type ErrorKind, KINDS } from './codes.ts';
export { redact } from './redact.ts';
export {
  asSealiftError,
  assertNever,
  type ErrorContext,
  fromPlainError,
  type PlainError,
  prefixError,
  SealiftError,
  toPlainError,
} from './sealift-error.ts';
