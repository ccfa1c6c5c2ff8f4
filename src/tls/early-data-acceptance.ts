/**
 * Whether the early data of one ClientHello is accepted, once OpenSSL itself would accept it: at
 * most once (anti-replay-check.ts), no more than the host allows, and while there is room for it. A
 * refusal costs the client one round trip and nothing else.
 */
import { assert } from '../base/assert.ts';
import type { SteadyClock } from '../base/clock.ts';
import type { EarlyDataAdmission, EarlyDataFlight } from '../native/ssl-context.ts';
import type { AntiReplayCheck } from './anti-replay-check.ts';
import type { ClusterRegister } from './cluster.ts';
import type { HostEarlyDataOptions } from './host-options.ts';

/** What the judge is to know of a host. */
export interface JudgedHost extends HostEarlyDataOptions {
  /** Bytes that tell its early-data policy from others. */
  readonly policyMark: Uint8Array;
}

export interface EarlyDataAcceptanceInput {
  readonly gate: AntiReplayCheck | null;
  /** Of this machine: what tickets are dated by where there is no cluster. */
  readonly clock: SteadyClock;
  readonly hosts: readonly JudgedHost[];
  readonly inFlightBytesMax: number;
  readonly cluster: ClusterRegister | null;
  /** Whether tickets name no amount of early data, as QUIC's: each flight then counts as the host's most. */
  readonly isUnmetered?: boolean;
}

export class EarlyDataAcceptance {
  readonly #gate: AntiReplayCheck | null;
  /** Whom to ask beyond this machine; null for nobody. */
  readonly cluster: ClusterRegister | null;
  readonly #clock: SteadyClock;
  readonly #hosts: readonly JudgedHost[];
  readonly #inFlightBytesMax: number;
  readonly #isUnmetered: boolean;
  readonly #inFlightBytesOf: number[];
  #inFlightBytes = 0;
  /** Whose ClientHello OpenSSL is working on: all of it runs inside one call. */
  #host = 0;
  #refusal = '';
  #reservedBytes = 0;

  constructor(input: EarlyDataAcceptanceInput) {
    const { gate, clock, hosts, inFlightBytesMax, cluster, isUnmetered = false } = input;
    this.#isUnmetered = isUnmetered;
    this.#gate = gate;
    this.cluster = cluster;
    this.#clock = clock;
    this.#hosts = hosts;
    this.#inFlightBytesMax = inFlightBytesMax;
    this.#inFlightBytesOf = hosts.map(() => 0);
  }

  /** What tickets are dated by: the clock of whoever remembers their flights. Null while there is none. */
  readonly clock = (): SteadyClock | null =>
    this.cluster === null ? this.#clock : this.cluster.clock;

  /** Bytes that open handshakes may still send early, or have sent. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /**
   * Whether a connection has to be read for early data: any host accepts some, or there is a cluster that
   * has to know of what is refused here.
   */
  get isReadEarly(): boolean {
    return this.cluster !== null || this.#hosts.some((host) => host.enabled);
  }

  isAllowed(host: number): boolean {
    return this.#hosts[host]?.enabled ?? false;
  }

  /** Of the ClientHello that is looked at now. */
  askedName = '';
  /** What the cluster has said of it; '' when it was not asked. */
  clusterAnswer = '';

  /** Of the ticket that it offers first; null when it offers none. */
  #ticketMark: number | null = null;
  #wasAsked = false;

  /**
   * The ClientHello that is looked at now is for this host, and asks for this name. `ticketMark`: a
   * number of its first ticket, of which each has another; null without one.
   */
  turnTo(host: number, askedName: string, ticketMark: number | null): void {
    this.#host = host;
    this.askedName = askedName;
    this.#ticketMark = ticketMark;
    this.#wasAsked = false;
    this.clusterAnswer = '';
  }

  /**
   * The early data of the ClientHello just looked at was refused, by whomever. Its client repeats the
   * request in 1-RTT: from now on the flight is known, and a replay of it is refused whatever has
   * changed since. `isResumed`: the ticket was accepted, so that its binder was right.
   */
  noteRefused(random: Uint8Array, isResumed: boolean): void {
    this.#gate?.note(random);
    // OpenSSL has refused without a question: for the age it claims, perhaps, which will fit one day.
    if (isResumed && !this.#wasAsked && this.#ticketMark !== null) {
      this.#gate?.spend(this.#ticketMark);
    }
  }

  /** What tickets of a host are marked with. */
  markOf(host: number): Uint8Array {
    return this.#hosts[Math.max(host, 0)]!.policyMark;
  }

  /** Called by OpenSSL. */
  readonly admit: EarlyDataAdmission = (flight) => {
    this.#wasAsked = true;
    // First of all: a flight that is refused here is sent again in 1-RTT, and a replay of it must
    // not be accepted later.
    if (this.#gate !== null && !this.#gate.admit(flight.random)) return false;
    if (this.cluster !== null && !this.#isAdmittedByCluster()) return false;
    this.#refusal = this.#changeSince(flight);
    if (this.#refusal !== '') return false;
    if (this.#reserve(this.#hosts[this.#host]!, flight.ticketBytesMax)) return true;
    this.#refusal = 'over the limit';
    return false;
  };

  /** What is no longer as it was when the ticket was issued (RFC 8446 §4.2.10); '' for nothing. */
  #changeSince(flight: EarlyDataFlight): string {
    if (!this.isAllowed(this.#host)) return 'policy off';
    // A flight is fresh for one span of a clock that nobody sets, or its age proves nothing.
    if (flight.ageMs === null) return 'ticket of another clock';
    const mark = this.#ticketMark;
    if (mark === null || this.#gate?.isSpent(mark, flight.ageMs)) return 'ticket refused before';
    if (!flight.isNameOfSession) return 'server name changed';
    if (!flight.isCipherOfSession) return 'cipher suite changed';
    // What the client was told it may send early no longer holds.
    const { policyMark } = this.#hosts[this.#host]!;
    if (policyMark.some((byte, i) => byte !== flight.policyMark[i])) return 'policy changed';
    return '';
  }

  #isAdmittedByCluster(): boolean {
    const { clusterAnswer } = this;
    if (clusterAnswer === 'first') return true;
    if (clusterAnswer === 'replayed') this.#refusal = clusterAnswer;
    else if (clusterAnswer === 'too-young') this.#refusal = 'cluster register too young';
    else this.#refusal = 'cluster did not answer';
    return false;
  }

  #reserve(host: HostEarlyDataOptions, ticketBytes: number): boolean {
    const bytes = this.#isUnmetered ? host.bytesMax : ticketBytes;
    // The ticket is of a time when more was allowed: a client that used it all would be cut off.
    if (bytes > host.bytesMax) return false;
    if (this.#inFlightBytes + bytes > this.#inFlightBytesMax) return false;
    const inFlightBytes = this.#inFlightBytesOf[this.#host]! + bytes;
    if (inFlightBytes > host.inFlightBytesMax) return false;
    this.#inFlightBytes += bytes;
    this.#inFlightBytesOf[this.#host] = inFlightBytes;
    this.#reservedBytes = bytes;
    return true;
  }

  /** Why the ClientHello just looked at was not admitted; '' when it was or was not asked about. */
  takeRefusal(): string {
    const refusal = this.#refusal || (this.#gate?.takeRefusal() ?? '');
    this.#refusal = '';
    return refusal;
  }

  /** What was set aside for it; its connection gives it back with `release`. */
  takeReservation(): number {
    const bytes = this.#reservedBytes;
    this.#reservedBytes = 0;
    return bytes;
  }

  release(host: number, bytes: number): void {
    assert(bytes <= this.#inFlightBytesOf[host]!, 'what is given back was reserved');
    this.#inFlightBytesOf[host]! -= bytes;
    this.#inFlightBytes -= bytes;
  }
}
