/**
 * Endpoints on a wire that loses, delays, reorders, doubles and damages datagrams, in a time of its own:
 * nothing waits, and a run with the same seed is the same run.
 */
import { copyOfBytes } from '../../../src/base/bytes.ts';
import type { Clock } from '../../../src/base/clock.ts';
import {
  type DatagramBatch,
  EcnMark,
  type PathAddress,
  type ReceivedDatagram,
  type SendOutcome,
} from '../../../src/quic/contracts.ts';
import { type EndpointOptions, QuicEndpoint } from '../../../src/quic/endpoint.ts';
import { defaultQuicLimits, type QuicLimits } from '../../../src/quic/limits.ts';
import { NodeProtection } from './node-protection.ts';
import { nodeSecrets, seeded } from './node-secrets.ts';

export interface WireOptions {
  readonly seed?: number;
  /** One way, ms. */
  delayMs?: number;
  /** More delay for some datagrams, at most so many ms, so that they are overtaken. */
  jitterMs?: number;
  /** Shares from 0 to 1. */
  lost?: number;
  doubled?: number;
  damaged?: number;
  congested?: number;
  /** Longer datagrams are lost. */
  mtu?: number;
  /** Bytes for each ms, and bytes that wait for their turn before more are lost. */
  bytesPerMs?: number;
  queueBytes?: number;
  /** Whether the wire clears ECN's marks. */
  isBleaching?: boolean;
  /** The last look at a datagram; false loses it. */
  pass?: (datagram: WireDatagram) => boolean;
}

export interface WireDatagram {
  readonly from: string;
  to: string;
  bytes: Uint8Array;
  ecn: EcnMark;
  readonly sentMs: number;
}

interface Flying {
  readonly atMs: number;
  readonly order: number;
  readonly datagram: WireDatagram;
}

/** An endpoint and what it was given. */
export interface WireEnd {
  readonly name: string;
  readonly endpoint: QuicEndpoint;
  readonly protection: NodeProtection;
  /** Bytes that were sent and that arrived, by the address of the other side. */
  readonly sent: Map<string, number>;
  readonly arrived: Map<string, number>;
  /** Whether its socket takes no more. */
  isFull: () => boolean;
}

/** Turns at one moment: more of them, and something wants what it does not do. */
const STILL_MAX = 1_000;

export class FakeWire {
  nowMs = 1_000;
  readonly options: WireOptions;
  readonly #random: () => number;
  readonly #ends = new Map<string, WireEnd>();
  /** What each end seems to send from, and whom each address leads to: old ones go on for a while. */
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();
  readonly #paths = new Map<string, PathAddress>();
  #flying: Flying[] = [];
  #order = 0;
  /** When the bottleneck of each direction is free again. */
  readonly #freeMs = new Map<string, number>();
  datagrams = 0;
  readonly clock: Clock = {
    wallMs: () => 1_800_000_000_000 + this.nowMs,
    monotonicMs: () => this.nowMs,
  };

  constructor(options: WireOptions = {}) {
    this.options = options;
    this.#random = seeded(options.seed ?? 1);
  }

  /** The path to a name; the same object each time. */
  pathTo(name: string): PathAddress {
    let path = this.#paths.get(name);
    if (path === undefined) {
      const port = 1_000 + this.#paths.size;
      path = { key: name, peerIp: Uint8Array.of(10, 0, 0, name.length), peerPort: port };
      this.#paths.set(name, path);
    }
    return path;
  }

  /** Puts an endpoint on the wire. */
  add(
    name: string,
    options: Partial<Omit<EndpointOptions, 'limits'>> & { limits?: Partial<QuicLimits> } = {},
  ): WireEnd {
    const protection = new NodeProtection();
    const end: WireEnd = {
      name,
      protection,
      sent: new Map(),
      arrived: new Map(),
      isFull: () => false,
      endpoint: new QuicEndpoint({
        secrets: nodeSecrets(1_000 * (this.options.seed ?? 1) + this.#ends.size),
        clock: this.clock,
        congestionControl: 'cubic',
        isEcnEnabled: true,
        worker: { index: 0, count: 1 },
        isRetryAlways: false,
        accept: undefined,
        onUnclaimed: undefined,
        onWork: () => {},
        ...options,
        protection,
        limits: { ...defaultQuicLimits, ...options.limits },
        sink: { send: (batch) => this.#send(end, batch) },
      }),
    };
    this.#ends.set(name, end);
    this.rebind(name, name);
    return end;
  }

  /** An endpoint is gone without a word. */
  remove(name: string): void {
    this.#ends.delete(name);
  }

  /** From now on what `name` sends seems to come from `address`, as after a NAT has rebound it. */
  rebind(name: string, address: string): void {
    this.#addresses.set(name, address);
    this.#names.set(address, name);
  }

  #send(end: WireEnd, batch: DatagramBatch): SendOutcome {
    if (end.isFull()) return 'blocked';
    for (let at = 0; at < batch.length; at += batch.segmentBytes) {
      const bytes = copyOfBytes(batch.bytes, at, Math.min(batch.length, at + batch.segmentBytes));
      const to = batch.path.key;
      end.sent.set(to, (end.sent.get(to) ?? 0) + bytes.length);
      const from = this.#addresses.get(end.name)!;
      this.#launch({ from, to, bytes, ecn: batch.ecn, sentMs: this.nowMs });
    }
    return 'sent';
  }

  /** Puts a datagram on the wire, as from anybody. */
  #launch(datagram: WireDatagram): void {
    const { options } = this;
    const random = this.#random;
    this.datagrams++;
    if (datagram.bytes.length > (options.mtu ?? 65_535)) return;
    if (options.pass?.(datagram) === false) return;
    if (random() < (options.lost ?? 0)) return;
    if (options.isBleaching === true) datagram.ecn = EcnMark.none;
    if (datagram.ecn !== EcnMark.none && random() < (options.congested ?? 0)) {
      datagram.ecn = EcnMark.congested;
    }
    if (random() < (options.damaged ?? 0)) {
      datagram.bytes[Math.floor(random() * datagram.bytes.length)]! ^=
        1 + Math.floor(random() * 255);
    }
    const copies = random() < (options.doubled ?? 0) ? 2 : 1;
    for (let i = 0; i < copies; i++) this.#fly(datagram);
  }

  #fly(datagram: WireDatagram): void {
    const { options } = this;
    let atMs = this.nowMs + (options.delayMs ?? 10) + this.#random() * (options.jitterMs ?? 0);
    if (options.bytesPerMs !== undefined) {
      const freeMs = Math.max(this.nowMs, this.#freeMs.get(datagram.to) ?? 0);
      const waitingBytes = (freeMs - this.nowMs) * options.bytesPerMs;
      if (waitingBytes > (options.queueBytes ?? 100_000)) return;
      const doneMs = freeMs + datagram.bytes.length / options.bytesPerMs;
      this.#freeMs.set(datagram.to, doneMs);
      atMs += doneMs - this.nowMs;
    }
    this.inject(datagram, atMs);
  }

  /** A datagram arrives at a time, whatever the wire is like. */
  inject(datagram: WireDatagram, atMs = this.nowMs): void {
    const flying = { atMs, order: this.#order++, datagram };
    let i = this.#flying.length;
    while (i > 0 && this.#flying[i - 1]!.atMs > atMs) i--;
    this.#flying.splice(i, 0, flying);
  }

  /** Runs until the condition holds; false when it does not within so many ms of the wire's time. */
  run(until: () => boolean, withinMs = 60_000): boolean {
    const endMs = this.nowMs + withinMs;
    this.#flush();
    let still = 0;
    while (!until()) {
      const nextMs = Math.min(
        this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY,
        ...[...this.#ends.values()].map(({ endpoint }) => endpoint.deadlineMs),
      );
      if (nextMs > endMs) {
        this.nowMs = endMs;
        return false;
      }
      still = nextMs > this.nowMs ? 0 : still + 1;
      if (still > STILL_MAX) throw new Error(`time stands still at ${this.nowMs} ms`);
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.#arrive();
      for (const { endpoint } of this.#ends.values()) {
        if (endpoint.deadlineMs <= this.nowMs) endpoint.onTimer(this.nowMs);
      }
      this.#flush();
    }
    return true;
  }

  /** Lets time pass. */
  pass(ms: number): void {
    this.run(() => false, ms);
  }

  #flush(): void {
    for (const { endpoint } of this.#ends.values()) endpoint.flush(this.nowMs);
  }

  #arrive(): void {
    while (this.#flying.length > 0 && this.#flying[0]!.atMs <= this.nowMs) {
      const { datagram } = this.#flying.shift()!;
      const end = this.#ends.get(this.#names.get(datagram.to) ?? '');
      if (end === undefined) continue;
      const { bytes, ecn, from } = datagram;
      end.arrived.set(from, (end.arrived.get(from) ?? 0) + bytes.length);
      const copy = copyOfBytes(bytes);
      const received: ReceivedDatagram = {
        bytes: copy,
        start: 0,
        end: copy.length,
        path: this.pathTo(from),
        ecn,
      };
      end.endpoint.receive(received, this.nowMs);
    }
  }
}
