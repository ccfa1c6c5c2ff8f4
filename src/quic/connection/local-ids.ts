/** The connection IDs that we let the peer use (RFC 9000 §5.1). */
import { sameBytes } from '../../base/bytes.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import type { ConnectionEnvironment, ConnectionOwner } from './environment.ts';

interface LocalId {
  readonly sequence: number;
  readonly id: Uint8Array;
  /** Whether a NEW_CONNECTION_ID for it is to be sent. */
  isPending: boolean;
}

export class LocalIds {
  readonly #environment: ConnectionEnvironment;
  readonly #owner: ConnectionOwner;
  #ids: LocalId[] = [];
  #next = 0;
  /** How many the peer may have at once; one until it has said so. */
  #max = 1;

  constructor(environment: ConnectionEnvironment, owner: ConnectionOwner) {
    this.#environment = environment;
    this.#owner = owner;
    this.#issue(false);
  }

  /** The one of the handshake. */
  get first(): Uint8Array {
    return this.#ids[0]!.id;
  }

  #issue(isPending: boolean): void {
    const id = this.#environment.makeId();
    this.#ids.push({ sequence: this.#next++, id, isPending });
    this.#owner.onIdAdded(id);
  }

  /** The peer takes so many; called when the handshake is complete. */
  supply(max: number): void {
    this.#max = Math.min(max, this.#environment.limits.activeIdsMax);
    while (this.#ids.length < this.#max) this.#issue(true);
  }

  get hasPending(): boolean {
    return this.#ids.some((one) => one.isPending);
  }

  /** The next one to tell of, or undefined; it is taken as told. */
  takePending(): LocalId | undefined {
    const found = this.#ids.find((one) => one.isPending);
    if (found !== undefined) found.isPending = false;
    return found;
  }

  onLost(sequence: number): void {
    const found = this.#ids.find((one) => one.sequence === sequence);
    if (found !== undefined) found.isPending = true;
  }

  /** RETIRE_CONNECTION_ID; `usedId` is the one that the packet itself was sent to (RFC 9000 §19.16). */
  retire(sequence: number, usedId: Uint8Array): void {
    if (sequence >= this.#next) {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'an ID is retired before its time');
    }
    const found = this.#ids.find((one) => one.sequence === sequence);
    if (found === undefined) return;
    if (sameBytes(found.id, usedId)) {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'an ID retires itself');
    }
    this.#ids = this.#ids.filter((one) => one !== found);
    this.#owner.onIdRetired(found.id);
    while (this.#ids.length < this.#max) this.#issue(true);
  }

  free(): void {
    for (const { id } of this.#ids) this.#owner.onIdRetired(id);
    this.#ids = [];
  }
}
