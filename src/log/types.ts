export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line: fields for machines and a constant lower-case message. Secrets are removed before it is written. */
type LogLine = (fields: LogFields, message: string) => void;

export interface Logger {
  readonly trace: LogLine;
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  /** Returns a logger that adds `fields` to every line, e.g. those of one request. */
  child(fields: LogFields): Logger;
}
