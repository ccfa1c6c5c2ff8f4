/** The connection IDs that the peer lets us use (RFC 9000 §5.1), and their reset tokens. */
import { sameBytes } from '../../base/bytes.ts';
import type { QuicLimits } from '../limits.ts';
import type { NewConnectionIdFrame } from '../wire/frame-reader.ts';
import { endsInToken } from '../wire/stateless-reset.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import type { ConnectionOwner } from './environment.ts';

interface RemoteId {
  readonly sequence: number;
  readonly id: Uint8Array;
  resetToken: Uint8Array | undefined;
}

export class RemoteIds {
  readonly #limits: QuicLimits;
  readonly #owner: ConnectionOwner;
  /** The first is the one in use. */
  #ids: RemoteId[];
  #retiredPriorTo = 0;
  /** Sequence numbers for RETIRE_CONNECTION_ID that are to be sent. */
  readonly #toRetire: number[] = [];
  /** Those of them that were sent and not acknowledged. */
  readonly #unacknowledged = new Set<number>();

  constructor(limits: QuicLimits, owner: ConnectionOwner, first: Uint8Array) {
    this.#limits = limits;
    this.#owner = owner;
    this.#ids = [{ sequence: 0, id: first, resetToken: undefined }];
  }

  get active(): Uint8Array {
    return this.#ids[0]!.id;
  }

  /** The peer chose its ID with its first packet, or a Retry asked for another. */
  replaceFirst(id: Uint8Array): void {
    this.#ids[0] = { sequence: 0, id, resetToken: undefined };
  }

  setFirstToken(resetToken: Uint8Array | undefined): void {
    const first = this.#ids.find(({ sequence }) => sequence === 0);
    if (first === undefined || resetToken === undefined || first.resetToken !== undefined) return;
    first.resetToken = resetToken;
    this.#owner.onResetTokenAdded(resetToken);
  }

  onNewId(frame: NewConnectionIdFrame): void {
    const { connectionIdLimitError, protocolViolation } = TransportErrorCode;
    if (this.active.length === 0) {
      throw new QuicFault(protocolViolation, 'a new ID beside one of no length');
    }
    const known = this.#ids.find(
      (one) => one.sequence === frame.sequence || sameBytes(one.id, frame.id),
    );
    if (known !== undefined) {
      if (known.sequence !== frame.sequence || !sameBytes(known.id, frame.id)) {
        throw new QuicFault(protocolViolation, 'an ID came with two numbers');
      }
    } else if (frame.sequence < this.#retiredPriorTo) this.#retire(frame.sequence);
    else {
      this.#ids.push({ sequence: frame.sequence, id: frame.id, resetToken: frame.resetToken });
      this.#owner.onResetTokenAdded(frame.resetToken);
    }
    if (frame.retirePriorTo > this.#retiredPriorTo) this.#retirePriorTo(frame.retirePriorTo);
    if (this.#ids.length > this.#limits.activeIdsMax) {
      throw new QuicFault(connectionIdLimitError, 'more IDs than we take');
    }
  }

  #retirePriorTo(sequence: number): void {
    this.#retiredPriorTo = sequence;
    for (const one of this.#ids) if (one.sequence < sequence) this.#drop(one);
    this.#ids = this.#ids.filter((one) => one.sequence >= sequence);
    if (this.#ids.length > 0) return;
    throw new QuicFault(TransportErrorCode.protocolViolation, 'no ID is left to use');
  }

  /** A peer that makes us retire without end and never acknowledges is cut off (CVE-2024-22189). */
  #retire(sequence: number): void {
    if (this.#toRetire.includes(sequence)) return;
    this.#toRetire.push(sequence);
    if (this.#toRetire.length + this.#unacknowledged.size <= this.#limits.retiredIdsMax) return;
    throw new QuicFault(TransportErrorCode.connectionIdLimitError, 'too many IDs to retire');
  }

  /** Goes on with another ID, if there is one (RFC 9000 §9.5). */
  change(): void {
    if (this.#ids.length < 2) return;
    const [old] = this.#ids.splice(0, 1);
    this.#drop(old!);
  }

  #drop({ resetToken, sequence }: RemoteId): void {
    if (resetToken !== undefined) this.#owner.onResetTokenRetired(resetToken);
    this.#retire(sequence);
  }

  free(): void {
    for (const { resetToken } of this.#ids) {
      if (resetToken !== undefined) this.#owner.onResetTokenRetired(resetToken);
    }
  }

  get hasPending(): boolean {
    return this.#toRetire.length > 0;
  }

  takePending(): number | undefined {
    const sequence = this.#toRetire.shift();
    if (sequence !== undefined) this.#unacknowledged.add(sequence);
    return sequence;
  }

  onAcknowledged(sequence: number): void {
    this.#unacknowledged.delete(sequence);
  }

  onLost(sequence: number): void {
    if (this.#unacknowledged.delete(sequence)) this.#toRetire.push(sequence);
  }

  /** Whether a datagram is a stateless reset of the peer (RFC 9000 §10.3.1). */
  isReset(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#ids.some(
      ({ resetToken }) => resetToken !== undefined && endsInToken(bytes, start, end, resetToken),
    );
  }
}
