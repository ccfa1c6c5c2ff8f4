/**
 * HTTP/3 on the UDP sockets of one listener that this worker reads: the reactor's datagrams and time for
 * the QUIC core, and what it makes of them back to the socket.
 */
import type { Clock } from '../base/clock.ts';
import type { SteeredSlot } from '../base/steered-ids.ts';
import { packetProtection } from '../native/quic/packet-protection.ts';
import type { QuicSecrets } from '../quic/contracts.ts';
import type { AcceptedParts, AcceptFacts } from '../quic/endpoint.ts';
import { type EndpointCounts, QuicEndpoint } from '../quic/endpoint.ts';
import type { QuicLimits } from '../quic/limits.ts';
import type { DatagramHandler, DatagramListener } from '../reactor/datagram-listener.ts';
import type { Reactor } from '../reactor/reactor.ts';
import type { Timer } from '../reactor/timer-wheel.ts';

export interface QuicListenerInput {
  readonly reactor: Reactor;
  readonly clock: Clock;
  /** Of UDP sockets of one port; taken over. The first one sends. */
  readonly fds: readonly number[];
  readonly secrets: QuicSecrets;
  readonly limits: QuicLimits;
  /** What connection IDs are to say: the first of these sockets. */
  readonly worker: SteeredSlot;
  readonly isRetryAlways: boolean;
  /** Makes what a client's connection needs; undefined refuses it. */
  readonly accept: (facts: AcceptFacts) => AcceptedParts | undefined;
}

export class QuicListener {
  readonly #input: QuicListenerInput;
  readonly #endpoint: QuicEndpoint;
  readonly #sockets: readonly DatagramListener[];
  readonly #timer: Timer;
  #isFlushAwaited = false;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(input: QuicListenerInput) {
    const { reactor, clock, fds } = input;
    this.#input = input;
    this.#timer = reactor.timer(() => this.#onTimer());
    this.#endpoint = new QuicEndpoint({
      protection: packetProtection,
      secrets: input.secrets,
      clock,
      limits: input.limits,
      congestionControl: 'cubic',
      isEcnEnabled: true,
      sink: { send: (batch) => this.#sockets[0]!.send(batch) },
      worker: input.worker,
      isRetryAlways: input.isRetryAlways,
      accept: input.accept,
      onUnclaimed: undefined,
      onWork: () => this.#flushSoon(),
    });
    const handler: DatagramHandler = {
      onDatagram: (datagram) => this.#endpoint.receive(datagram, clock.monotonicMs()),
      onBatchEnd: () => this.#flush(),
      onWritable: () => {
        this.#endpoint.onWritable(clock.monotonicMs());
        this.#arm();
      },
    };
    this.#sockets = fds.map((fd) => reactor.listenForDatagrams(fd, handler));
  }

  get port(): number {
    return this.#sockets[0]!.port;
  }

  get connectionCount(): number {
    return this.#endpoint.connectionCount;
  }

  get counts(): Readonly<EndpointCounts> {
    return this.#endpoint.counts;
  }

  /** Takes what waits in the sockets. */
  receiveWaiting(): void {
    for (const socket of this.#sockets) socket.receiveWaiting();
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

  /** Sends what waits, frees what is left of its connections, whose peers hear no more, and the sockets. */
  close(): void {
    this.#flush();
    this.#endpoint.abandon();
    this.#timer.cancel();
    for (const socket of this.#sockets) socket.close();
  }
}
