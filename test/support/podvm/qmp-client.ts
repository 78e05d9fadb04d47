import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface QmpMessage extends Partial<QmpEvent> {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** QEMU's control protocol over its standard streams: https://www.qemu.org/docs/master/interop/qmp-spec.html */
export class QmpClient {
  readonly #input: Writable;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #lastId = 0;
  #endedWith: Error | undefined;

  constructor(output: Readable, input: Writable) {
    this.#input = input;
    input.on('error', () => undefined);
    const lines = createInterface({ input: output });
    lines.on('line', (line) => this.#receive(JSON.parse(line)));
    lines.on('close', () => this.#end(new Error('QEMU closed its monitor')));
  }

  execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#endedWith !== undefined) return Promise.reject(this.#endedWith);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(new Error(`QMP ${command}: ${error.message}`));
      this.#waiting.set(id, { resolve, reject: fail });
      this.#input.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
    });
  }

  /** Ask before the command that causes the event. */
  waitFor(matches: (event: QmpEvent) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const listener = (event: QmpEvent): void => {
        if (event.event === 'CLOSED') reject(new Error('QEMU ended before the awaited event'));
        else if (matches(event)) resolve();
        else return;
        this.#listeners.delete(listener);
      };
      this.#listeners.add(listener);
    });
  }

  #receive(message: QmpMessage): void {
    const { id, event, error } = message;
    if (event !== undefined) {
      this.#announce({ ...message, event });
      return;
    }
    const waiting = this.#waiting.get(id ?? 0);
    this.#waiting.delete(id ?? 0);
    if (error === undefined) waiting?.resolve(message.return);
    else waiting?.reject(new Error(`${error.class}: ${error.desc}`));
  }

  #announce(event: QmpEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  #end(error: Error): void {
    this.#endedWith = error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    this.#announce({ event: 'CLOSED' });
  }
}
