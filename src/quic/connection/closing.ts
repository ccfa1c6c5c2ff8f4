/** How a connection ends (RFC 9000 §10): it is told once, everything is freed, and late packets are answered. */
import { copyOfBytes } from '../../base/bytes.ts';
import type { QuicCloseReason } from '../application.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { HandshakeDriver } from './handshake-driver.ts';
import type { PacketBuilder } from './packet-builder.ts';
import type { PacketReceiver } from './packet-receiver.ts';

export class Closing {
  readonly #core: ConnectionCore;
  readonly #handshake: HandshakeDriver;
  readonly #receiver: PacketReceiver;
  readonly #builder: PacketBuilder;
  /** The datagram that tells of the close, from when it was made. */
  #datagram: Uint8Array | undefined;
  #isPending = false;
  /** Datagrams that came while closing: every power of two is answered (RFC 9000 §10.2.1). */
  #lateDatagrams = 0;
  #isSettled = false;
  /** When the connection is forgotten. */
  overMs = Number.POSITIVE_INFINITY;

  constructor(
    core: ConnectionCore,
    handshake: HandshakeDriver,
    receiver: PacketReceiver,
    builder: PacketBuilder,
  ) {
    this.#core = core;
    this.#handshake = handshake;
    this.#receiver = receiver;
    this.#builder = builder;
  }

  /** A datagram that comes after the close. */
  onDatagram(bytes: number): void {
    if (this.#datagram === undefined) return;
    this.#core.paths.active.receivedBytes += bytes;
    const count = ++this.#lateDatagrams;
    if ((count & (count - 1)) === 0) this.#isPending = true;
  }

  /** Whether `take` would give a datagram. */
  get wantsToSend(): boolean {
    const bytes = this.#datagram?.length ?? 0;
    return this.#isPending && this.#core.paths.active.allowance >= bytes;
  }

  /** The datagram that is to be sent now. */
  take(): Uint8Array | undefined {
    if (!this.wantsToSend) return undefined;
    this.#isPending = false;
    this.#core.paths.active.sentBytes += this.#datagram!.length;
    return this.#datagram;
  }

  /** Carries a close out, once: tells, builds the datagram, frees. */
  settle(): void {
    const core = this.#core;
    if (core.state === 'open' || this.#isSettled) return;
    this.#isSettled = true;
    const reason = core.closeReason!;
    core.trace?.closed(reason, core.nowMs);
    if (core.state === 'closing') this.#makeDatagram(reason);
    this.#free(reason);
    this.#handshake.handshakeOver();
    core.application.onClosed(reason);
    const isSilent = reason.by === 'idle' || reason.by === 'reset' || reason.by === 'refused';
    if (isSilent) this.end();
    else this.overMs = core.nowMs + core.lingerMs;
  }

  #makeDatagram(reason: QuicCloseReason): void {
    const core = this.#core;
    const { scratch } = core.environment;
    const length = this.#builder.buildClose(scratch, {
      isApplication: reason.isApplication,
      errorCode: reason.errorCode,
      frameType: core.closeFrameType,
      reason: Buffer.from(reason.reason),
    });
    if (length === 0) return;
    this.#datagram = copyOfBytes(scratch, 0, length);
    this.#isPending = true;
  }

  #free(reason: QuicCloseReason): void {
    const core = this.#core;
    core.tls.free(reason);
    core.earlySealer?.free();
    core.earlyOpener?.free();
    for (const space of core.spaces) space.discard();
    core.recovery.free();
    core.streams.forgetAll();
    core.datagrams.clear();
    this.#receiver.free();
  }

  /** The endpoint may forget it. */
  end(): void {
    const core = this.#core;
    if (core.state === 'over') return;
    core.state = 'over';
    this.#datagram = undefined;
    core.localIds.free();
    core.remoteIds.free();
    core.owner.onOver();
  }
}
