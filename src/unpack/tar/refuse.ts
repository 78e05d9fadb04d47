import { type ErrorContext, SealiftError } from '../../errors/index.ts';

export function malformed(message: string, context: ErrorContext = {}): SealiftError {
  return new SealiftError('TAR_INVALID', message, { context });
}

export function unsupported(message: string, context: ErrorContext = {}): SealiftError {
  return new SealiftError('TAR_UNSUPPORTED', message, { context });
}
