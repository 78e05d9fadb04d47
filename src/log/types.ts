export type LogFields = Readonly<Record<string, unknown>>;

/** One line: fields for machines and a constant lower-case message. Secrets are removed on the way out. */
type LogLine = (fields: LogFields, message: string) => void;

export interface Logger {
  readonly trace: LogLine;
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  /** A logger whose lines all carry `fields`, e.g. those of one request. */
  child(fields: LogFields): Logger;
}
