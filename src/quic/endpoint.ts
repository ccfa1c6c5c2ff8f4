/**
 * All connections of one UDP socket, or of several of one worker: which connection a datagram is for, who
 * may begin one, what is answered without one, and whose turn it is. Sans I/O: the owner calls `receive`
 * for each datagram, `flush` after a batch of them and after `onWork`, and `onTimer` at `deadlineMs`.
 */
import { assert } from '../base/assert.ts';
import { markSteeredId, type SteeredSlot } from '../base/steered-ids.ts';
import type { QuicApplication, QuicConnection } from './application.ts';
import { type ConnectionParts, TransportConnection } from './connection/connection.ts';
import type { ConnectionEnvironment, DialedPeer } from './connection/environment.ts';
import type { QuicTrace } from './connection/trace.ts';
import {
  DATAGRAM_BATCH_BYTES,
  type DatagramBatch,
  type DatagramSink,
  EcnMark,
  type PathAddress,
  type QuicTls,
  RESET_TOKEN_BYTES,
  type ReceivedDatagram,
} from './contracts.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import { type ConnectionHolder, HeldConnection } from './held-connection.ts';
import { DATAGRAM_BYTES_MIN } from './recovery/mtu-probe.ts';
import {
  AnswerBudget,
  idsOf,
  refusal,
  retry,
  statelessReset,
  type Unclaimed,
  versionNegotiation,
} from './refusal.ts';
import {
  idText,
  OUR_ID_BYTES,
  PacketHeader,
  PacketKind,
  readPacketHeader,
} from './wire/packet-header.ts';
import { RESET_BYTES_MIN } from './wire/stateless-reset.ts';
import { makeRetryToken, readToken, type ValidToken } from './wire/token.ts';
import { TransportErrorCode } from './wire/transport-error.ts';
import { WireReader } from './wire/varint.ts';

/** Batches of one connection in a turn; then it is another's. */
export const TURN_BATCHES_MAX = 4;
/** Bytes of the shortest Destination Connection ID of a client's first Initial (RFC 9000 §7.2). */
const FIRST_ID_BYTES_MIN = 8;

/** What its connections are given is the endpoint's, too; the rest it makes. */
export interface EndpointOptions extends Omit<ConnectionEnvironment, 'scratch' | 'makeId'> {
  readonly sink: DatagramSink;
  /** What our connection IDs say: by that the kernel finds the socket. */
  readonly worker: SteeredSlot;
  /** Whether every client must first show that it receives at its address. */
  readonly isRetryAlways: boolean;
  /**
   * Makes what a new connection of a client needs; undefined refuses it. The endpoint that only dials
   * accepts none.
   */
  readonly accept: ((facts: AcceptFacts) => AcceptedParts | undefined) | undefined;
  /** A datagram that no connection is for; true: another process takes it. Bytes until the return. */
  readonly onUnclaimed: ((datagram: ReceivedDatagram) => boolean) | undefined;
  /** `flush` is to be called soon, once for any number of calls. */
  readonly onWork: () => void;
}

export interface AcceptFacts {
  readonly path: PathAddress;
  /** Whether the client's address was validated by a token. */
  readonly isValidated: boolean;
}

export interface AcceptedParts {
  readonly tls: QuicTls;
  readonly application: (connection: QuicConnection) => QuicApplication;
  readonly trace: QuicTrace | undefined;
}

/** What has happened, for metrics; counts from the start. */
export interface EndpointCounts {
  datagramsReceived: number;
  accepted: number;
  retries: number;
  versionNegotiations: number;
  resets: number;
  refused: number;
  /** Datagrams that were dropped without an answer. */
  dropped: number;
}

export class QuicEndpoint implements ConnectionHolder {
  readonly #options: EndpointOptions;
  readonly #environment: ConnectionEnvironment;
  readonly #byId = new Map<string, HeldConnection>();
  /** By the tokens of stateless resets that peers would send. */
  readonly #byToken = new Map<string, HeldConnection>();
  readonly #all = new Set<HeldConnection>();
  readonly #deadlines = new DeadlineHeap<HeldConnection>();
  #dirty: HeldConnection[] = [];
  /** Whether `onWork` was called since the last flush. */
  #isWorkTold = false;
  #isInside = false;
  #isSinkBlocked = false;
  #handshaking = 0;
  readonly #budget: AnswerBudget;
  readonly #reader = new WireReader();
  readonly #header = new PacketHeader();
  readonly #batch: DatagramBatch;
  readonly counts: EndpointCounts = {
    datagramsReceived: 0,
    accepted: 0,
    retries: 0,
    versionNegotiations: 0,
    resets: 0,
    refused: 0,
    dropped: 0,
  };

  constructor(options: EndpointOptions) {
    const { limits, protection, worker } = options;
    assert(worker.index < worker.count && worker.count <= 128, 'the worker fits into a byte');
    this.#options = options;
    this.#environment = {
      ...options,
      scratch: protection.allocate(SCRATCH_BYTES),
      makeId: () => this.#makeId(),
    };
    this.#budget = new AnswerBudget(limits.statelessAnswersPerSecond);
    this.#batch = {
      bytes: protection.allocate(DATAGRAM_BATCH_BYTES),
      length: 0,
      segmentBytes: 0,
      path: NO_PATH,
      ecn: EcnMark.none,
    };
  }

  /** Connections that are not over. */
  get connectionCount(): number {
    return this.#all.size;
  }

  /** Those of clients whose handshake is not complete. */
  get handshakingCount(): number {
    return this.#handshaking;
  }

  #makeId(): Uint8Array {
    const { secrets, worker } = this.#options;
    const id = new Uint8Array(OUR_ID_BYTES);
    do {
      secrets.fillRandom(id);
      markSteeredId(id, worker);
    } while (this.#byId.has(idText(id, 0, OUR_ID_BYTES)));
    return id;
  }

  // -------------------------------------------------------------------------------- datagrams

  /** Takes one datagram; packets in it are opened in place. */
  receive(datagram: ReceivedDatagram, nowMs: number): void {
    this.counts.datagramsReceived++;
    const header = this.#header;
    const { bytes, end, start } = datagram;
    if (!readPacketHeader(this.#reader.set(bytes, start, end), header)) {
      this.counts.dropped++;
      return;
    }
    const id = idText(bytes, header.destinationAt, header.destinationBytes);
    const held = this.#byId.get(id) ?? this.#unclaimed({ datagram, header }, id, nowMs);
    if (held?.connection === undefined) return;
    this.#isInside = true;
    held.connection.receive(datagram, nowMs);
    this.#isInside = false;
    this.dirty(held);
  }

  /** A datagram for no connection: it may begin one, be answered, or is dropped. */
  #unclaimed(asked: Unclaimed, id: string, nowMs: number): HeldConnection | undefined {
    const { datagram, header } = asked;
    const length = datagram.end - datagram.start;
    if (!header.isFixedBitSet && header.kind !== PacketKind.unknownVersion) {
      this.counts.dropped++;
      return undefined;
    }
    const { accept, onUnclaimed, secrets } = this.#options;
    if (header.kind === PacketKind.application && length >= RESET_BYTES_MIN) {
      const { bytes, end } = datagram;
      const reset = this.#byToken.get(idText(bytes, end - RESET_TOKEN_BYTES, RESET_TOKEN_BYTES));
      if (reset !== undefined) return reset;
    }
    const mayBegin = header.kind === PacketKind.initial && length >= DATAGRAM_BYTES_MIN;
    if (mayBegin && accept !== undefined && header.destinationBytes >= FIRST_ID_BYTES_MIN) {
      return this.#accept(asked, id, nowMs);
    }
    if (onUnclaimed?.(datagram) === true) return undefined;
    const isUnknown = header.kind === PacketKind.unknownVersion && length >= DATAGRAM_BYTES_MIN;
    const isShort = header.kind === PacketKind.application;
    const isAnswered = (isUnknown && accept !== undefined) || isShort;
    if (!isAnswered || !this.#budget.take(nowMs)) {
      this.counts.dropped++;
      return undefined;
    }
    if (isUnknown) {
      this.counts.versionNegotiations++;
      versionNegotiation(this.#batch, asked, this.#chance());
    } else statelessReset(this.#batch, asked, secrets);
    if (isShort && this.#batch.length > 0) this.counts.resets++;
    this.#answer(datagram);
    return undefined;
  }

  #chance(): number {
    const byte = new Uint8Array(1);
    this.#options.secrets.fillRandom(byte);
    return byte[0]!;
  }

  #answer(datagram: ReceivedDatagram): void {
    const batch = this.#batch;
    if (batch.length === 0 || this.#isSinkBlocked) return;
    batch.segmentBytes = batch.length;
    batch.path = datagram.path;
    batch.ecn = EcnMark.none;
    this.#isSinkBlocked = this.#options.sink.send(batch) === 'blocked';
  }

  // ---------------------------------------------------------------------------------- opening

  #accept(asked: Unclaimed, id: string, nowMs: number): HeldConnection | undefined {
    const { clock, limits, secrets } = this.#options;
    const { datagram, header } = asked;
    const { tokenAt, tokenBytes } = header;
    const token = datagram.bytes.subarray(tokenAt, tokenAt + tokenBytes);
    const valid = readToken(secrets, datagram.path, token, clock.wallMs());
    const isOther = typeof valid === 'object' && !isRetryFor(valid, id);
    if (valid === 'invalidRetry' || isOther) {
      return this.#refuse(asked, TransportErrorCode.invalidToken, nowMs);
    }
    if (this.#handshaking >= limits.handshakesMax) {
      return this.#refuse(asked, TransportErrorCode.connectionRefused, nowMs);
    }
    const isBusy = this.#handshaking >= limits.unvalidatedHandshakesMax;
    if (valid === undefined && (isBusy || this.#options.isRetryAlways)) {
      return this.#retry(asked, nowMs);
    }
    return this.#begin(asked, valid, id, nowMs);
  }

  #begin(
    asked: Unclaimed,
    valid: ValidToken | undefined,
    id: string,
    nowMs: number,
  ): HeldConnection | undefined {
    const { path } = asked.datagram;
    const isValidated = valid !== undefined;
    const made = this.#options.accept!({ path, isValidated });
    if (made === undefined) return this.#refuse(asked, TransportErrorCode.connectionRefused, nowMs);
    const { destinationId, sourceId } = idsOf(asked);
    const held = new HeldConnection(this, true);
    this.#hold(held);
    // Whatever the client sends to its own choice, 0-RTT and repeated Initials, is for this one, too.
    this.addId(held, id);
    const initial = {
      peerId: sourceId,
      destinationId,
      originalId: valid?.retry?.originalId ?? destinationId,
      isRetried: valid?.retry !== undefined,
      isValidated,
      path,
    };
    this.counts.accepted++;
    this.#isInside = true;
    const parts = this.#partsOf(held, made);
    held.connection = TransportConnection.accept(parts, initial, nowMs);
    this.#isInside = false;
    return held;
  }

  #partsOf(held: HeldConnection, made: AcceptedParts): ConnectionParts {
    return { ...made, environment: this.#environment, owner: held };
  }

  #hold(held: HeldConnection): void {
    this.#all.add(held);
    if (held.isServer) this.#handshaking++;
  }

  #refuse(asked: Unclaimed, errorCode: number, nowMs: number): undefined {
    this.counts.refused++;
    if (!this.#budget.take(nowMs)) return undefined;
    refusal(this.#batch, asked, errorCode, this.#options.protection);
    this.#answer(asked.datagram);
    return undefined;
  }

  #retry(asked: Unclaimed, nowMs: number): undefined {
    if (!this.#budget.take(nowMs)) {
      this.counts.dropped++;
      return undefined;
    }
    const { clock, protection, secrets } = this.#options;
    const originalId = idsOf(asked).destinationId;
    const retryId = this.#makeId();
    const ids = { originalId, retryId };
    const token = makeRetryToken(secrets, asked.datagram.path, ids, clock.wallMs());
    this.counts.retries++;
    retry(this.#batch, asked, { retryId, token }, protection);
    this.#answer(asked.datagram);
    return undefined;
  }

  /** Begins a connection to a server. Its first datagram goes with the next flush. */
  dial(made: AcceptedParts, peer: DialedPeer, nowMs: number): TransportConnection {
    const held = new HeldConnection(this, false);
    this.#hold(held);
    this.#isInside = true;
    held.connection = TransportConnection.dial(this.#partsOf(held, made), peer, nowMs);
    this.#isInside = false;
    this.dirty(held);
    return held.connection;
  }

  // ---------------------------------------------------------------------------- ConnectionHolder

  addId(held: HeldConnection, id: string): void {
    this.#byId.set(id, held);
    held.ids.add(id);
  }

  removeId(held: HeldConnection, id: string): void {
    held.ids.delete(id);
    if (this.#byId.get(id) === held) this.#byId.delete(id);
  }

  addToken(held: HeldConnection, token: string): void {
    this.#byToken.set(token, held);
  }

  removeToken(held: HeldConnection, token: string): void {
    if (this.#byToken.get(token) === held) this.#byToken.delete(token);
  }

  dirty(held: HeldConnection): void {
    if (!held.isDirty) {
      held.isDirty = true;
      this.#dirty.push(held);
    }
    if (this.#isInside || this.#isWorkTold) return;
    this.#isWorkTold = true;
    this.#options.onWork();
  }

  onHandshakeOver(held: HeldConnection): void {
    if (!held.isHandshaking) return;
    held.isHandshaking = false;
    if (held.isServer) this.#handshaking--;
  }

  onOver(held: HeldConnection): void {
    this.onHandshakeOver(held);
    this.#deadlines.remove(held);
    for (const id of held.ids) this.removeId(held, id);
    this.#all.delete(held);
  }

  // ------------------------------------------------------------------------------------- turns

  /** Sends what there is to send. What a connection has beyond its turn waits for the next one. */
  flush(nowMs: number): void {
    this.#isWorkTold = false;
    const turn = this.#dirty;
    this.#dirty = [];
    this.#isInside = true;
    for (const held of turn) {
      held.isDirty = false;
      if (!this.#all.has(held)) continue;
      if (!this.#isSinkBlocked) this.#turn(held, nowMs);
      this.#deadlines.set(held, this.#all.has(held) ? held.connection!.deadlineMs() : Infinity);
      if (this.#isSinkBlocked) this.dirty(held);
    }
    this.#isInside = false;
    if (this.#dirty.length === 0 || this.#isSinkBlocked || this.#isWorkTold) return;
    this.#isWorkTold = true;
    this.#options.onWork();
  }

  #turn(held: HeldConnection, nowMs: number): void {
    const connection = held.connection!;
    const batch = this.#batch;
    for (let i = 0; i < TURN_BATCHES_MAX; i++) {
      if (!connection.transmit(batch, nowMs)) {
        assert(!connection.wantsToSend, 'what wants to send makes progress');
        return;
      }
      const outcome = this.#options.sink.send(batch);
      if (outcome === 'tooLarge') connection.onTooLarge(batch);
      if (outcome === 'blocked') this.#isSinkBlocked = true;
      if (this.#isSinkBlocked) return;
    }
    this.dirty(held);
  }

  /** The socket takes datagrams again. */
  onWritable(nowMs: number): void {
    this.#isSinkBlocked = false;
    this.flush(nowMs);
  }

  /** When `onTimer` is to be called at the latest; ask again after each call of the others. */
  get deadlineMs(): number {
    // What cannot be sent has no time; `onWritable` goes on.
    if (this.#isSinkBlocked) return Number.POSITIVE_INFINITY;
    return this.#deadlines.earliest?.heapMs ?? Number.POSITIVE_INFINITY;
  }

  /** Serves all deadlines that have passed, and flushes. */
  onTimer(nowMs: number): void {
    for (let held = this.#deadlines.earliest; held !== undefined && held.heapMs <= nowMs; ) {
      this.#deadlines.remove(held);
      this.#isInside = true;
      held.connection!.onTimer(nowMs);
      this.#isInside = false;
      this.dirty(held);
      held = this.#deadlines.earliest;
    }
    this.flush(nowMs);
  }

  /** Ends all at once: what is held is freed. */
  abandon(): void {
    for (const held of [...this.#all]) held.connection?.abandon();
  }
}

/** A packet that has waited for its keys is opened there; a datagram that closes is built there. */
const SCRATCH_BYTES = 2_048;

const NO_PATH: PathAddress = { key: '', peerIp: new Uint8Array(4), peerPort: 0 };

/** Whether a token is one of NEW_TOKEN, or of the Retry that asked for this ID. */
function isRetryFor(valid: ValidToken, id: string): boolean {
  if (valid.retry === undefined) return true;
  const { retryId } = valid.retry;
  return idText(retryId, 0, retryId.length) === id;
}
