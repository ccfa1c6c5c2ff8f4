/** The paths of a connection: the amplification limit, validation, and migration (RFC 9000 §8 and §9). */
import { copyOfBytes, sameBytes } from '../../base/bytes.ts';
import type { PathAddress } from '../contracts.ts';
import type { QuicLimits } from '../limits.ts';
import type { CongestionControl, CongestionController } from '../recovery/congestion.ts';
import { Cubic } from '../recovery/cubic.ts';
import { EcnValidation } from '../recovery/ecn.ts';
import type { PathMeasures } from '../recovery/loss.ts';
import { DATAGRAM_BYTES_MIN, MtuProbe } from '../recovery/mtu-probe.ts';
import { NewReno } from '../recovery/new-reno.ts';
import { Pacer } from '../recovery/pacer.ts';
import { RoundTrip } from '../recovery/rtt.ts';

/** RFC 9000 §8.1. */
export const AMPLIFICATION_FACTOR = 3;
/** PATH_CHALLENGEs that are sent on a path before it is given up. */
const CHALLENGES_MAX = 4;
export const CHALLENGE_BYTES = 8;

export class Path implements PathMeasures {
  serial: number;
  readonly address: PathAddress;
  roundTrip = new RoundTrip();
  controller: CongestionController;
  ecn: EcnValidation;
  mtu: MtuProbe;
  pacer = new Pacer();
  isValidated: boolean;
  receivedBytes = 0;
  sentBytes = 0;
  /** Data of PATH_CHALLENGEs that are unanswered. */
  challenges: Uint8Array[] = [];
  isChallengePending = false;
  /** When the challenge is repeated, or given up. */
  challengeMs = Number.POSITIVE_INFINITY;
  /** Data of PATH_CHALLENGEs of the peer that are to be answered here. */
  readonly responses: Uint8Array[] = [];

  constructor(serial: number, address: PathAddress, settings: PathSettings) {
    this.serial = serial;
    this.address = address;
    this.isValidated = settings.isValidated;
    const Controller = settings.congestionControl === 'cubic' ? Cubic : NewReno;
    this.controller = new Controller(DATAGRAM_BYTES_MIN);
    this.ecn = new EcnValidation(settings.isEcnEnabled);
    this.mtu = new MtuProbe(settings.datagramBytesMax);
  }

  /** Bytes that may be sent to this address now. */
  get allowance(): number {
    if (this.isValidated) return Number.POSITIVE_INFINITY;
    return AMPLIFICATION_FACTOR * this.receivedBytes - this.sentBytes;
  }

  /**
   * Goes on with the measures of another path. Where only the port has changed that is a NAT's doing, and
   * the way is the same (RFC 9000 §9.4).
   */
  inherit(path: Path): void {
    this.serial = path.serial;
    this.roundTrip = path.roundTrip;
    this.controller = path.controller;
    this.ecn = path.ecn;
    this.mtu = path.mtu;
    this.pacer = path.pacer;
  }

  /** Answers a PATH_CHALLENGE; a peer that sends more than we answer loses the oldest (CVE-2023-49295). */
  respond(data: Uint8Array, max: number): void {
    this.responses.push(copyOfBytes(data));
    if (this.responses.length > max) this.responses.shift();
  }

  get wantsFrames(): boolean {
    return this.isChallengePending || this.responses.length > 0;
  }
}

export interface PathSettings {
  readonly isValidated: boolean;
  readonly congestionControl: CongestionControl;
  readonly isEcnEnabled: boolean;
  readonly datagramBytesMax: number;
}

function sameAddress(a: PathAddress, b: PathAddress): boolean {
  return a === b || a.key === b.key;
}

export function sameHost(a: PathAddress, b: PathAddress): boolean {
  return sameBytes(a.peerIp, b.peerIp);
}

export class Paths {
  readonly #limits: QuicLimits;
  #serial = 0;
  active: Path;
  /** The last one that was validated, to go back to. */
  #fallback: Path | undefined;
  /** Others that are being validated or answered. */
  #others: Path[] = [];
  migrations = 0;

  constructor(limits: QuicLimits, address: PathAddress, settings: PathSettings) {
    this.#limits = limits;
    this.active = new Path(this.#serial++, address, settings);
  }

  /** All paths, the active one first. */
  get all(): readonly Path[] {
    return [this.active, ...this.#others];
  }

  find(address: PathAddress): Path | undefined {
    if (sameAddress(this.active.address, address)) return this.active;
    return this.#others.find((path) => sameAddress(path.address, address));
  }

  /** A new path, for an address that is not known. Old ones are dropped beyond a limit. */
  make(address: PathAddress, settings: PathSettings): Path {
    const path = new Path(this.#serial++, address, settings);
    this.#others.push(path);
    if (this.#others.length > this.#limits.pathsMax) {
      const i = this.#others.findIndex((one) => one !== this.#fallback && one !== path);
      this.#others.splice(i, 1);
    }
    return path;
  }

  /** Goes on with another path (RFC 9000 §9.3). */
  activate(path: Path): void {
    if (this.active.isValidated) this.#fallback = this.active;
    this.#others = this.#others.filter((one) => one !== path);
    this.#others.push(this.active);
    this.active = path;
  }

  /** Begins to ask whether the peer is at the path's other end. */
  challenge(path: Path, data: Uint8Array, againMs: number): void {
    path.challenges.push(data);
    path.isChallengePending = true;
    path.challengeMs = againMs;
  }

  /** PATH_RESPONSE: it may come by any path (RFC 9000 §8.2.3). Returns the path that is validated by it. */
  onResponse(data: Uint8Array): Path | undefined {
    const path = this.all.find(({ challenges }) => challenges.some((one) => sameBytes(one, data)));
    if (path === undefined) return undefined;
    path.challenges = [];
    path.isChallengePending = false;
    path.challengeMs = Number.POSITIVE_INFINITY;
    if (path.isValidated) return undefined;
    path.isValidated = true;
    if (path === this.active) {
      this.migrations++;
      this.#fallback = undefined;
    }
    return path;
  }

  /** The earliest time at which something is to be done for a path. */
  get deadlineMs(): number {
    return Math.min(...this.all.map((path) => path.challengeMs));
  }

  /**
   * Repeats challenges, and gives paths up. Returns the path to go back to, when the active one could not
   * be validated; 'none' when there is nothing to go back to.
   */
  onTimer(nowMs: number, makeData: () => Uint8Array, againMs: number): Path | 'none' | undefined {
    let result: Path | 'none' | undefined;
    for (const path of this.all) {
      if (path.challengeMs > nowMs) continue;
      if (path.challenges.length < CHALLENGES_MAX) {
        this.challenge(path, makeData(), againMs);
        continue;
      }
      path.challengeMs = Number.POSITIVE_INFINITY;
      path.challenges = [];
      path.isChallengePending = false;
      if (path !== this.active) this.#others = this.#others.filter((one) => one !== path);
      else if (!path.isValidated) result = this.#fallback ?? 'none';
    }
    if (result instanceof Path) {
      const lost = this.active;
      this.activate(result);
      this.#others = this.#others.filter((one) => one !== lost);
    }
    return result;
  }
}
