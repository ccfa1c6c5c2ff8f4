/**
 * A channel as the output of an HTTP/2 core: the frames of one dispatch leave together, so that a
 * response without content is one frame, which ends its stream, and not two.
 */
import type { Http2Output } from '../http2/frame-writer.ts';
import type { Channel, ChannelPool } from './channel.ts';

/** What is to leave in a later write leaves so much later: no kernel or NIC joins the two then. */
const LATER_MS = 20;

/** As much of a channel as a core's output needs. */
export type OutputChannel = Pick<
  Channel,
  'write' | 'end' | 'reset' | 'pauseReading' | 'resumeReading'
>;

/** `flush` is the core's. */
export function http2Output(
  channel: OutputChannel,
  channels: Pick<ChannelPool, 'atEndOfTurn'>,
  flush: () => void,
): Http2Output {
  return {
    write: (bytes) => channel.write(bytes),
    end: () => channel.end(),
    reset: () => channel.reset(),
    pauseReading: () => channel.pauseReading(),
    resumeReading: () => channel.resumeReading(),
    requestFlush: () => channels.atEndOfTurn(flush),
    requestLater: (body) => {
      setTimeout(body, LATER_MS);
    },
  };
}
