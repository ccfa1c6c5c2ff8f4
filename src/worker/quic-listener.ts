/**
 * HTTP/3 on one UDP socket: the reactor's datagrams and time for the QUIC core, and what it makes of them
 * back to the socket.
 */
import type { Clock } from '../base/clock.ts';
import { packetProtection } from '../native/quic/packet-protection.ts';
import type { QuicSecrets } from '../quic/contracts.ts';
import type { AcceptedParts, AcceptFacts } from '../quic/endpoint.ts';
import { type EndpointCounts, QuicEndpoint } from '../quic/endpoint.ts';
import type { QuicLimits } from '../quic/limits.ts';
import type { DatagramListener } from '../reactor/datagram-listener.ts';
import type { Reactor } from '../reactor/reactor.ts';
import type { Timer } from '../reactor/timer-wheel.ts';

export interface QuicListenerInput {
  readonly reactor: Reactor;
  readonly clock: Clock;
  /** Of a UDP socket; taken over. */
  readonly fd: number;
  /** Whether another worker reads the socket. */
  readonly isResting: boolean;
  readonly secrets: QuicSecrets;
  readonly limits: QuicLimits;
  readonly worker: { readonly index: number; readonly count: number };
  /** Makes what a client's connection needs; undefined refuses it. */
  readonly accept: (facts: AcceptFacts) => AcceptedParts | undefined;
}

export class QuicListener {
  readonly #input: QuicListenerInput;
  readonly #endpoint: QuicEndpoint;
  readonly #socket: DatagramListener;
  readonly #timer: Timer;
  #isFlushAwaited = false;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(input: QuicListenerInput) {
    const { reactor, clock, fd, isResting } = input;
    this.#input = input;
    this.#timer = reactor.timer(() => this.#onTimer());
    this.#endpoint = new QuicEndpoint({
      protection: packetProtection,
      secrets: input.secrets,
      clock,
      limits: input.limits,
      congestionControl: 'cubic',
      isEcnEnabled: true,
      sink: { send: (batch) => this.#socket.send(batch) },
      worker: input.worker,
      isRetryAlways: false,
      accept: input.accept,
      onUnclaimed: undefined,
      onWork: () => this.#flushSoon(),
    });
    this.#socket = reactor.listenForDatagrams(
      fd,
      {
        onDatagram: (datagram) => this.#endpoint.receive(datagram, clock.monotonicMs()),
        onBatchEnd: () => this.#flush(),
        onWritable: () => {
          this.#endpoint.onWritable(clock.monotonicMs());
          this.#arm();
        },
      },
      isResting,
    );
  }

  get port(): number {
    return this.#socket.port;
  }

  get connectionCount(): number {
    return this.#endpoint.connectionCount;
  }

  get counts(): Readonly<EndpointCounts> {
    return this.#endpoint.counts;
  }

  replaceResting(isResting: boolean): void {
    this.#socket.replaceResting(isResting);
  }

  #flushSoon(): void {
    if (this.#isFlushAwaited) return;
    this.#isFlushAwaited = true;
    this.#input.reactor.defer(() => {
      this.#isFlushAwaited = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#endpoint.flush(this.#input.clock.monotonicMs());
    this.#arm();
  }

  #onTimer(): void {
    this.#armedMs = Number.POSITIVE_INFINITY;
    this.#endpoint.onTimer(this.#input.clock.monotonicMs());
    this.#arm();
  }

  #arm(): void {
    const { deadlineMs } = this.#endpoint;
    if (deadlineMs === this.#armedMs) return;
    this.#armedMs = deadlineMs;
    if (deadlineMs === Number.POSITIVE_INFINITY) this.#timer.cancel();
    else this.#timer.arm(Math.max(0, deadlineMs - this.#input.clock.monotonicMs()));
  }

  /** Frees what is left of its connections, whose peers hear nothing of it, and the socket. */
  close(): void {
    this.#endpoint.abandon();
    this.#timer.cancel();
    this.#socket.close();
  }
}
