/**
 * What those who read frames see of their connection (connection.ts), and what they call for the role
 * that the connection has (server-connection.ts, client-connection.ts).
 */
import type { Blame, SluiceError } from '../base/errors.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { ContentReceiver } from './content-receiver.ts';
import type { ContentSender } from './content-sender.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { HpackDecoder } from './hpack-decoder.ts';
import type { HpackEncoder } from './hpack-encoder.ts';
import type { AbuseKind, Http2Abuse, Http2Limits } from './limits.ts';
import type { PeerSettings } from './settings.ts';
import type { Stream, StreamTable } from './stream.ts';

/** The role on top of a connection. */
export interface RoleHandler {
  /** A field section, in `decoder.fields`, that opens a stream. Only a server's peer does that. */
  onOpen(streamId: number, endStream: boolean, early: boolean): void;
  /** A field section on an open stream: a response's, or trailers. */
  onFieldSection(stream: Stream, endStream: boolean): void;
  onPriorityUpdate(streamId: number, value: Uint8Array): void;
  /** A stream closed, the peer's settings or its GOAWAY came: more or fewer streams may open. */
  onCapacityChange(): void;
  onPong(): void;
}

export interface FrameConnection {
  readonly writer: FrameWriter;
  readonly encoder: HpackEncoder;
  readonly decoder: HpackDecoder;
  readonly receiver: ContentReceiver;
  readonly sender: ContentSender;
  readonly streams: StreamTable;
  readonly peer: PeerSettings;
  readonly limits: Http2Limits;
  readonly role: 'server' | 'client';
  readonly isClosed: boolean;
  readonly hasSettingsAck: boolean;
  /** The highest odd identifier used, by whoever may use them: the client. */
  lastStreamId: number;
  /** Streams above this one are not taken any more. */
  readonly goawayLimit: number;

  /** Ends the connection for a rule that the peer broke. */
  fail(errorCode: number, message: string): false;
  wrongLength(frame: string): false;
  abuse(kind: Http2Abuse): false;
  /** Takes one from a budget; false when that has ended the connection. */
  spend(kind: AbuseKind): boolean;
  countControlFrame(): boolean;
  streamError(streamId: number, errorCode: number, message: string): void;
  refuseStream(streamId: number, errorCode: number): void;
  remoteEnd(stream: Stream, trailers: FieldSection | null): void;
  closeStream(stream: Stream, state: number, error: SluiceError | null): void;
  peerBlame(): Blame;
  onShutdownAck(): void;
  onPeerGoaway(lastStreamId: number, errorCode: number): void;
}
