import { CODES, type ErrorCode } from './codes.ts';
import type { ErrorKind } from './kinds.ts';
import { redact } from './redact.ts';

export type ErrorContext = Readonly<Record<string, string | number>>;

export interface ErrorOptions {
  /** Values for machines: expected, actual, path, limit … */
  readonly context?: ErrorContext;
  /** Replaces the hint of the code table where the throwing code has a more precise one. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A failure as plain data, which can be sent to another thread or printed as JSON. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint: string;
  readonly context: ErrorContext;
  readonly causes: readonly string[];
}

function redactContext(context: ErrorContext): ErrorContext {
  return Object.fromEntries(
    Object.entries(context).map(([key, value]) => [key, typeof value === 'string' ? redact(value) : value]),
  );
}

/**
 * The only error class. `message` is a lower-case sentence fragment: action, subject, expected and actual value. The
 * constructor removes secrets from message and context; {@link toPlainError} removes them from the causes.
 */
export class SealiftError extends Error {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly hint: string;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SealiftError';
    this.code = code;
    this.kind = CODES[code].kind;
    this.hint = options.hint ?? CODES[code].hint;
    this.context = redactContext(options.context ?? {});
  }
}

function describeCause(cause: unknown): string[] {
  if (cause === undefined || cause === null) return [];
  if (cause instanceof AggregateError) return cause.errors.flatMap(describeCause);
  if (cause instanceof Error) return [redact(cause.message), ...describeCause(cause.cause)];
  return [redact(String(cause))];
}

/** Turns an error and its chain of causes into plain data. */
export function toPlainError(error: unknown): PlainError {
  const known = asSealiftError(error);
  const { code, kind, message, hint, context } = known;
  return { code, kind, message, hint, context, causes: describeCause(known.cause) };
}

/** Inverse of {@link toPlainError}. The causes become plain errors that have only a message. */
export function fromPlainError(plain: PlainError): SealiftError {
  const [first, ...rest] = plain.causes;
  const cause = first === undefined ? undefined : causeFromTexts(first, rest);
  return new SealiftError(plain.code, plain.message, { context: plain.context, hint: plain.hint, cause });
}

function causeFromTexts(text: string, rest: readonly string[]): Error {
  const [next, ...others] = rest;
  return next === undefined ? new Error(text) : new Error(text, { cause: causeFromTexts(next, others) });
}

/**
 * Returns a SealiftError as it is. When giving back a resource fails after another failure, the first failure counts: it
 * has led to the other one. Any other error is a bug in Sealift and is wrapped as `INTERNAL`.
 */
export function asSealiftError(error: unknown): SealiftError {
  if (error instanceof SealiftError) return error;
  if (error instanceof SuppressedError) return asSealiftError(error.suppressed);
  const message = error instanceof Error ? error.message : String(error);
  return new SealiftError('INTERNAL', message, { cause: error });
}

/**
 * Puts the action of an outer room before the message of an inner error and keeps code, kind, hint and context. The
 * message then reads as a path of actions: `pull image x: unpack layer 3: entry usr/bin/su: …`.
 */
export function prefixError(action: string, error: unknown): SealiftError {
  const inner = asSealiftError(error);
  const { code, context, hint } = inner;
  return new SealiftError(code, `${action}: ${inner.message}`, { context, hint, cause: inner.cause });
}

/** Gives an error another hint and keeps the rest. */
export function withHint({ code, message, context, cause }: SealiftError, hint: string): SealiftError {
  return new SealiftError(code, message, { context, cause, hint });
}

/** Makes an unhandled member of a closed union a compile error, and a coded failure if a value contradicts its type. */
export function assertNever(value: never, what: string): never {
  throw new SealiftError('INTERNAL', `${what}: unexpected value ${String(value)}`);
}
