/** A connection and what its endpoint knows of it. */
import type { TransportConnection } from './connection/connection.ts';
import type { ConnectionOwner } from './connection/environment.ts';
import type { HeapMember } from './deadline-heap.ts';
import { idText } from './wire/packet-header.ts';

/** The endpoint, as {@link HeldConnection} sees it. */
export interface ConnectionHolder {
  /** An ID, as text, leads to a connection. */
  addId(held: HeldConnection, id: string): void;
  removeId(held: HeldConnection, id: string): void;
  /** A reset with this token, as text, is for it. */
  addToken(held: HeldConnection, token: string): void;
  removeToken(held: HeldConnection, token: string): void;
  /** It may have something to send, or another deadline. */
  dirty(held: HeldConnection): void;
  onHandshakeOver(held: HeldConnection): void;
  /** It needs nothing any more. */
  onOver(held: HeldConnection): void;
}

export class HeldConnection implements ConnectionOwner, HeapMember {
  connection: TransportConnection | undefined;
  heapMs = 0;
  heapAt = -1;
  isDirty = false;
  isHandshaking = true;
  readonly isServer: boolean;
  readonly ids = new Set<string>();
  readonly #holder: ConnectionHolder;

  constructor(holder: ConnectionHolder, isServer: boolean) {
    this.#holder = holder;
    this.isServer = isServer;
  }

  onIdAdded(id: Uint8Array): void {
    this.#holder.addId(this, idText(id, 0, id.length));
  }

  onIdRetired(id: Uint8Array): void {
    this.#holder.removeId(this, idText(id, 0, id.length));
  }

  onResetTokenAdded(token: Uint8Array): void {
    this.#holder.addToken(this, idText(token, 0, token.length));
  }

  onResetTokenRetired(token: Uint8Array): void {
    this.#holder.removeToken(this, idText(token, 0, token.length));
  }

  onWork(): void {
    this.#holder.dirty(this);
  }

  onHandshakeOver(): void {
    this.#holder.onHandshakeOver(this);
  }

  onOver(): void {
    this.#holder.onOver(this);
  }
}
