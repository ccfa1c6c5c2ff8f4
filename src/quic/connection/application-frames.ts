/** The frames of 1-RTT and 0-RTT packets but ACK and CRYPTO: written, acknowledged, lost. */
import type { SentFrame, SentPacket } from '../recovery/sent-packet.ts';
import { addSentFrame } from '../recovery/sent-packet.ts';
import { QuicFrameType } from '../wire/frame-types.ts';
import {
  writeBare,
  writeNewConnectionId,
  writeNumbers,
  writePathData,
  writeTold,
} from '../wire/frame-writer.ts';
import { makeLaterToken } from '../wire/token.ts';
import type { WireWriter } from '../wire/varint.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { Path } from './paths.ts';

/** Room that a packet must have for any of the small frames. */
const SMALL_FRAME_BYTES_MAX = 64;
/** Room that a packet must have for NEW_TOKEN. */
const TOKEN_BYTES_MAX = 256;

export class ApplicationFrames {
  readonly #core: ConnectionCore;

  constructor(core: ConnectionCore) {
    this.#core = core;
  }

  /** Whether `write` would write something into an empty packet. */
  hasFrames(isEarly: boolean): boolean {
    const core = this.#core;
    if (!core.isReady) return false;
    if (core.streamFrames.hasFrames || !core.datagrams.isEmpty) return true;
    if (isEarly) return false;
    return (
      core.done === 'pending' ||
      core.newToken === 'pending' ||
      core.localIds.hasPending ||
      core.remoteIds.hasPending
    );
  }

  write(writer: WireWriter, packet: SentPacket, isEarly: boolean): void {
    const core = this.#core;
    if (!core.isReady) return;
    if (!isEarly) this.#writeOnce(writer, packet);
    this.#writeDatagrams(writer, packet);
    const { roundTrip } = core.paths.active;
    core.streamFrames.write(writer, packet, {
      nowMs: core.nowMs,
      roundTripMs: roundTrip.smoothedMs,
    });
  }

  #writeOnce(writer: WireWriter, packet: SentPacket): void {
    const core = this.#core;
    if (core.done === 'pending' && writer.left >= SMALL_FRAME_BYTES_MAX) {
      core.done = 'sent';
      writeBare(writer, QuicFrameType.handshakeDone);
      addSentFrame(packet, QuicFrameType.handshakeDone, 0);
    }
    if (core.newToken === 'pending' && writer.left >= TOKEN_BYTES_MAX)
      this.#writeToken(writer, packet);
    while (core.localIds.hasPending && writer.left >= SMALL_FRAME_BYTES_MAX) {
      const { id, sequence } = core.localIds.takePending()!;
      const resetToken = core.environment.secrets.resetToken(id);
      writeNewConnectionId(writer, { sequence, retirePriorTo: 0, id, resetToken });
      addSentFrame(packet, QuicFrameType.newConnectionId, sequence);
    }
    while (core.remoteIds.hasPending && writer.left >= SMALL_FRAME_BYTES_MAX) {
      const sequence = core.remoteIds.takePending()!;
      writeNumbers(writer, QuicFrameType.retireConnectionId, sequence);
      addSentFrame(packet, QuicFrameType.retireConnectionId, sequence);
    }
  }

  #writeToken(writer: WireWriter, packet: SentPacket): void {
    const core = this.#core;
    const { clock, secrets } = core.environment;
    const token = makeLaterToken(secrets, core.paths.active.address, clock.wallMs());
    core.newToken = 'sent';
    if (!writeTold(writer, QuicFrameType.newToken, token)) return;
    addSentFrame(packet, QuicFrameType.newToken, 0);
  }

  #writeDatagrams(writer: WireWriter, packet: SentPacket): void {
    const { datagrams, paths } = this.#core;
    for (let next = datagrams.peek(); next !== undefined; next = datagrams.peek()) {
      if (writeTold(writer, QuicFrameType.datagramWithLength, next)) {
        addSentFrame(packet, QuicFrameType.datagram, 0);
      } else if (next.length + DATAGRAM_OVERHEAD <= paths.active.mtu.bytes) return;
      // The path has become narrower since it was queued: it can never be sent.
      datagrams.shift();
    }
  }

  /** PATH_CHALLENGE and PATH_RESPONSEs of one path. */
  writePathFrames(writer: WireWriter, packet: SentPacket, path: Path): void {
    if (path.isChallengePending) {
      path.isChallengePending = false;
      writePathData(writer, QuicFrameType.pathChallenge, path.challenges.at(-1)!);
      addSentFrame(packet, QuicFrameType.pathChallenge, 0);
    }
    for (let data = path.responses.shift(); data !== undefined; data = path.responses.shift()) {
      writePathData(writer, QuicFrameType.pathResponse, data);
      addSentFrame(packet, QuicFrameType.pathResponse, 0);
    }
  }

  onAcknowledged(frame: SentFrame): void {
    const core = this.#core;
    if (frame.type === QuicFrameType.handshakeDone) core.done = 'acknowledged';
    else if (frame.type === QuicFrameType.newToken) core.newToken = 'acknowledged';
    else if (frame.type === QuicFrameType.retireConnectionId)
      core.remoteIds.onAcknowledged(frame.id);
    else core.streamFrames.onAcknowledged(frame);
  }

  /** Every kind is sent again; those that are not have their own timers, or none by their nature. */
  onLost(frame: SentFrame): void {
    const core = this.#core;
    switch (frame.type) {
      case QuicFrameType.handshakeDone:
        if (core.done === 'sent') core.done = 'pending';
        break;
      case QuicFrameType.newToken:
        if (core.newToken === 'sent') core.newToken = 'pending';
        break;
      case QuicFrameType.newConnectionId:
        core.localIds.onLost(frame.id);
        break;
      case QuicFrameType.retireConnectionId:
        core.remoteIds.onLost(frame.id);
        break;
      default:
        core.streamFrames.onLost(frame);
    }
  }
}

/** A short header with the longest ID, a number, a tag, and a frame's type and length. */
const DATAGRAM_OVERHEAD = 1 + 20 + 4 + 16 + 3;

/** Bytes of the longest datagram of the application in a packet of so many. */
export function datagramRoom(packetBytes: number): number {
  return packetBytes - DATAGRAM_OVERHEAD;
}
