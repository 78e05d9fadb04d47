import type { PlainError } from '../errors/index.ts';
import { formatJson } from './format-json.ts';

/** Version of the documents that --json prints. */
const SCHEMA = 1;

/** The one document on standard output. */
export function formatResultDocument(result: unknown): string {
  return formatJson({ schema: SCHEMA, result });
}

export function formatErrorDocument(error: PlainError): string {
  const { code, kind, message, hint, context, causes } = error;
  return formatJson({ schema: SCHEMA, error: { code, kind, message, hint, context, causes } });
}

/** For people, on standard error; every text in it was redacted and bounded when the error was made. */
export function formatError({ code, message, hint, causes }: PlainError): string {
  const lines = [
    `error: ${message}`,
    ...causes.map((cause) => `  cause: ${cause}`),
    `  hint: ${hint}`,
    `  code: ${code}`,
  ];
  return `${lines.join('\n')}\n`;
}
