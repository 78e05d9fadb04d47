/** What a faulty registry does instead of answering correctly. */
export type FaultAction =
  /** Another answer altogether. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The right answer with headers changed; an empty value takes one away. */
  | { readonly kind: 'headers'; readonly headers: Record<string, string> }
  /** The right answer with an encoded body; Content-Length fits it. */
  | { readonly kind: 'encode'; readonly encoding: string; readonly encode: (body: Buffer) => Buffer }
  /** The right answer with its body changed on the wire; Content-Length fits the changed one. */
  | { readonly kind: 'alter'; readonly alter: (body: Buffer) => Buffer }
  /** Sends so many bytes of the body, then resets or closes the connection, or sends nothing any more. */
  | { readonly kind: 'reset' | 'close' | 'stall'; readonly afterBytes: number }
  /** Takes the request and never answers. */
  | { readonly kind: 'silence' }
  /** Takes the request and resets the connection. */
  | { readonly kind: 'hang-up' }
  /** So many bytes of the body, and the rest once the promise has resolved. */
  | { readonly kind: 'hold'; readonly afterBytes: number; readonly until: Promise<unknown> }
  | { readonly kind: 'trickle'; readonly chunkBytes: number; readonly everyMs: number }
  /** The body without Content-Length and chunks, ended by closing, after so many bytes. */
  | { readonly kind: 'unframed'; readonly bytes: number }
  /** Chunked; so many bytes of the body and then its end. */
  | { readonly kind: 'chunked'; readonly bytes: number }
  /** Chunked and never ending; with the status of the right answer unless there is another. */
  | { readonly kind: 'endless'; readonly status?: number }
  | { readonly kind: 'ignore-range' }
  /** Written to the socket as it is, one byte for a character. */
  | { readonly kind: 'raw'; readonly bytes: string }
  /** The same again and again, without an end. */
  | { readonly kind: 'flood'; readonly bytes: string };

export interface Fault {
  /** Path and query of the requests concerned. */
  readonly match: RegExp;
  /** Their Range header, which is empty where there is none; any when absent. */
  readonly range?: RegExp;
  /** How many of them; one when absent. */
  readonly times?: number;
  readonly action: FaultAction;
}

/** A fault that was injected. */
export interface InjectedFault {
  /** Requests that it has met. */
  readonly hits: number;
}
