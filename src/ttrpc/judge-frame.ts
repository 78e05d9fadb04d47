import { SealiftError } from '../errors/index.ts';
import { FRAME_TYPE, type FrameHeader } from './frame.ts';

/** What a server remembers about the streams of one connection. */
export interface StreamState {
  readonly lastStreamId: number;
  readonly isOpen: (streamId: number) => boolean;
}

export type FrameVerdict =
  | { readonly kind: 'call' }
  | { readonly kind: 'ignore' }
  /** The error is sent on the frame's stream, which is closed by it. */
  | { readonly kind: 'refuse'; readonly error: SealiftError };

const IGNORE: FrameVerdict = { kind: 'ignore' };

/**
 * Decides what a server does with a frame, by https://github.com/containerd/ttrpc/blob/v1.2.7/PROTOCOL.md#streaming;
 * where that is silent, as containerd's server does. Unknown types are ignored: later versions of the protocol may use
 * them.
 */
export function judgeFrame({ streamId, type, flags }: FrameHeader, state: StreamState): FrameVerdict {
  if (streamId % 2 === 0) return invalid(streamId, 'StreamID must be odd for client initiated streams');
  if (type === FRAME_TYPE.data) return judgeData(streamId, state);
  if (type !== FRAME_TYPE.request) return IGNORE;
  if (streamId <= state.lastStreamId) return invalid(streamId, 'StreamID cannot be re-used and must increment');
  if (flags === 0) return { kind: 'call' };
  const message = `stream ${streamId}: expected a unary request, got flags ${flags}`;
  return { kind: 'refuse', error: new SealiftError('TTRPC_STREAM_REFUSED', message) };
}

/** Refuses data, which no method takes. Data for a refused stream is ignored: its client has the refusal already. */
function judgeData(streamId: number, { lastStreamId, isOpen }: StreamState): FrameVerdict {
  if (isOpen(streamId)) return invalid(streamId, 'a unary stream takes no data');
  return streamId <= lastStreamId ? IGNORE : invalid(streamId, 'StreamID is no longer active');
}

function invalid(streamId: number, reason: string): FrameVerdict {
  return { kind: 'refuse', error: new SealiftError('TTRPC_FRAME_INVALID', `stream ${streamId}: ${reason}`) };
}
