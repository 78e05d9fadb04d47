export { cancellation, raceCancellation } from './cancellation.ts';
export { CODES, type ErrorCode } from './codes.ts';
export { daemonHint } from './daemon-hint.ts';
export { type CodeEntry, type ErrorKind, KINDS } from './kinds.ts';
export { redact, removeSecrets } from './redact.ts';
export {
  asSealiftError,
  assertNever,
  type ErrorContext,
  type ErrorOptions,
  fromPlainError,
  type PlainError,
  prefixError,
  SealiftError,
  toPlainError,
  withHint,
} from './sealift-error.ts';
