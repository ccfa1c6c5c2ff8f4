/**
 * Whether the early data of a ClientHello is accepted, once OpenSSL itself would accept it: at most
 * once (anti-replay-check.ts), no more than the host allows, and while there is capacity for it. A
 * refusal costs the client one round trip and nothing else. What comes out is in the ClientHello's
 * decision (hello-decision.ts); kept here is only what all of them share.
 */
import { assert } from '../../base/assert.ts';
import type { SteadyClock } from '../../base/clock.ts';
import type { EarlyDataFlight } from '../../native/session-callbacks.ts';
import type { ClusterRegister } from '../cluster.ts';
import type { HostEarlyDataOptions } from '../host-options.ts';
import type { AntiReplayCheck } from './anti-replay-check.ts';
import type { HelloDecision } from './hello-decision.ts';

/** What is to be known of a host. */
export interface EarlyDataHost extends HostEarlyDataOptions {
  /** Bytes that tell its early-data policy from others. */
  readonly policyMark: Uint8Array;
}

export interface EarlyDataAcceptanceInput {
  readonly antiReplay: AntiReplayCheck | null;
  /** Of this machine: what tickets are dated by where there is no cluster. */
  readonly clock: SteadyClock;
  readonly hosts: readonly EarlyDataHost[];
  readonly inFlightBytesMax: number;
  readonly cluster: ClusterRegister | null;
  /** Whether tickets name no amount of early data, as QUIC's: each flight then counts as the host's most. */
  readonly isUnmetered?: boolean;
}

export class EarlyDataAcceptance {
  readonly #antiReplay: AntiReplayCheck | null;
  /** Whom to ask beyond this machine; null for nobody. */
  readonly cluster: ClusterRegister | null;
  readonly #clock: SteadyClock;
  readonly #hosts: readonly EarlyDataHost[];
  readonly #inFlightBytesMax: number;
  readonly #isUnmetered: boolean;
  readonly #inFlightBytesOf: number[];
  #inFlightBytes = 0;

  constructor(input: EarlyDataAcceptanceInput) {
    const { antiReplay, clock, hosts, inFlightBytesMax, cluster, isUnmetered = false } = input;
    this.#isUnmetered = isUnmetered;
    this.#antiReplay = antiReplay;
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

  isAllowed({ host }: Pick<HelloDecision, 'host'>): boolean {
    return this.#hosts[host]!.enabled;
  }

  /** What tickets of a host are marked with. */
  markOf({ host }: Pick<HelloDecision, 'host'>): Uint8Array {
    return this.#hosts[host]!.policyMark;
  }

  /**
   * The early data of a ClientHello was refused, by whomever. Its client repeats the request in 1-RTT:
   * from now on the flight is known, and a replay of it is refused whatever has changed since.
   * `isResumed`: the ticket was accepted, so that its binder was right.
   */
  noteRefused(
    { wasAsked, ticketMark }: HelloDecision,
    random: Uint8Array,
    isResumed: boolean,
  ): void {
    this.#antiReplay?.note(random);
    // OpenSSL has refused without a question: for the age it claims, perhaps, which will fit one day.
    if (isResumed && !wasAsked && ticketMark !== null) this.#antiReplay?.spend(ticketMark);
  }

  /** Asked by OpenSSL. Why not is in the decision, and what is set aside for what comes. */
  accepts(decision: HelloDecision, flight: EarlyDataFlight): boolean {
    decision.wasAsked = true;
    decision.refusal = this.#refusalOf(decision, flight);
    if (decision.refusal !== '') return false;
    const bytes = this.#bytesOf(decision, flight);
    decision.reservedBytes = bytes;
    this.#inFlightBytes += bytes;
    this.#inFlightBytesOf[decision.host]! += bytes;
    return true;
  }

  #refusalOf(decision: HelloDecision, flight: EarlyDataFlight): string {
    // First of all: a flight that is refused here is sent again in 1-RTT, and a replay of it must
    // not be accepted later.
    const replay = this.#antiReplay?.refusalOf(flight.random) ?? '';
    const refusal =
      replay || this.#refusalOfCluster(decision) || this.#changeSince(decision, flight);
    if (refusal !== '') return refusal;
    const bytes = this.#bytesOf(decision, flight);
    if (!this.#hasCapacity(decision.host, bytes)) return 'over the limit';
    return '';
  }

  #refusalOfCluster({ clusterQuestion }: HelloDecision): string {
    if (this.cluster === null) return '';
    const answer = clusterQuestion?.answer ?? null;
    if (answer === 'first') return '';
    if (answer === 'replayed') return answer;
    if (answer === 'too-young') return 'cluster register too young';
    return 'cluster did not answer';
  }

  /** What is no longer as it was when the ticket was issued (RFC 8446 §4.2.10); '' for nothing. */
  #changeSince({ ticketMark, host }: HelloDecision, flight: EarlyDataFlight): string {
    if (!this.#hosts[host]!.enabled) return 'policy off';
    // A flight is fresh for one span of a clock that nobody sets, or its age proves nothing.
    if (flight.ageMs === null) return 'ticket of another clock';
    const isSpent = ticketMark === null || this.#antiReplay?.isSpent(ticketMark, flight.ageMs);
    if (isSpent) return 'ticket refused before';
    if (!flight.isNameOfSession) return 'server name changed';
    if (!flight.isCipherOfSession) return 'cipher suite changed';
    // What the client was told it may send early no longer holds.
    const { policyMark } = this.#hosts[host]!;
    if (policyMark.some((byte, i) => byte !== flight.policyMark[i])) return 'policy changed';
    return '';
  }

  /** The most that may come. */
  #bytesOf({ host }: HelloDecision, { ticketBytesMax }: EarlyDataFlight): number {
    return this.#isUnmetered ? this.#hosts[host]!.bytesMax : ticketBytesMax;
  }

  #hasCapacity(index: number, bytes: number): boolean {
    const host = this.#hosts[index]!;
    // The ticket is of a time when more was allowed: a client that used it all would be cut off.
    if (bytes > host.bytesMax) return false;
    if (this.#inFlightBytes + bytes > this.#inFlightBytesMax) return false;
    return this.#inFlightBytesOf[index]! + bytes <= host.inFlightBytesMax;
  }

  /** The handshake has ended: what was set aside for it is free. */
  release(decision: HelloDecision): void {
    const { host, reservedBytes } = decision;
    assert(reservedBytes <= this.#inFlightBytesOf[host]!, 'what is given back was reserved');
    decision.reservedBytes = 0;
    this.#inFlightBytesOf[host]! -= reservedBytes;
    this.#inFlightBytes -= reservedBytes;
  }
}
