/** One packet number space: its keys, what came, what is to be acknowledged, and its handshake bytes. */
import { EncryptionLevel, type PacketOpener, type PacketSealer } from '../contracts.ts';
import { AckRanges } from '../recovery/ack-ranges.ts';
import { AckSchedule } from '../recovery/ack-schedule.ts';
import type { SpaceId } from '../recovery/loss.ts';
import { ReceiveBuffer } from '../streams/receive-buffer.ts';
import { SendBuffer } from '../streams/send-buffer.ts';

const LEVELS: readonly EncryptionLevel[] = [
  EncryptionLevel.initial,
  EncryptionLevel.handshake,
  EncryptionLevel.application,
];

/** Skipped numbers that are remembered (RFC 9000 §21.4). */
const SKIPPED_MAX = 8;

export class PacketSpace {
  readonly id: SpaceId;
  readonly level: EncryptionLevel;
  sealer: PacketSealer | undefined;
  opener: PacketOpener | undefined;
  isDiscarded = false;
  readonly received = new AckRanges();
  readonly schedule: AckSchedule;
  nextNumber = 0;
  /** Numbers that were left out, so that a peer that acknowledges what it has not got shows itself. */
  readonly skipped: number[] = [];
  readonly send = new SendBuffer();
  readonly receive: ReceiveBuffer;
  /** Packets that are to be sent whatever the window, after a probe timeout. */
  probes = 0;

  constructor(id: SpaceId, ackDelayMs: number, gapsMax: number) {
    this.id = id;
    this.level = LEVELS[id]!;
    this.schedule = new AckSchedule(ackDelayMs);
    this.receive = new ReceiveBuffer(gapsMax);
  }

  skipNumber(): void {
    this.skipped.push(this.nextNumber++);
    if (this.skipped.length > SKIPPED_MAX) this.skipped.shift();
  }

  hasHandshakeBytes(): boolean {
    return this.send.canSend(Number.POSITIVE_INFINITY);
  }

  discard(): void {
    this.isDiscarded = true;
    this.sealer?.free();
    this.opener?.free();
    this.sealer = undefined;
    this.opener = undefined;
    this.probes = 0;
    this.send.clear();
    this.receive.clear();
    this.schedule.onSent();
  }
}
