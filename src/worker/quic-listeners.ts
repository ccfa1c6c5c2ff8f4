/** HTTP/3 of one worker: its UDP sockets, and what clients' connections begin with. */
import { randomInt } from 'node:crypto';
import { systemClock } from '../base/clock.ts';
import { Http3Downstream } from '../downstream/http3-connection.ts';
import type { InheritedDatagrams } from '../downstream/options.ts';
import { addressTextOf } from '../native/socket-address.ts';
import type { AcceptedParts, AcceptFacts, EndpointCounts } from '../quic/endpoint.ts';
import { defaultQuicLimits } from '../quic/limits.ts';
import { TicketedQuicSecrets } from '../tls/quic-secrets.ts';
import type { ConfigurationGeneration, GenerationBase } from './configuration-generation.ts';
import { QuicListener } from './quic-listener.ts';

/** RFC 9114 §7.2.8 reserves values by numbers of chance. */
const GREASE_END = 2 ** 32;

export interface QuicListenersInput {
  readonly base: GenerationBase;
  /** The one that new connections are for. */
  generation(): ConfigurationGeneration;
  /** As many connections are open as may be. */
  isFull(): boolean;
}

export class QuicListeners {
  readonly #input: QuicListenersInput;
  readonly #secrets: TicketedQuicSecrets;
  readonly #listeners: readonly QuicListener[];
  /** What was counted last, of each. */
  readonly #counted = new Map<QuicListener, EndpointCounts>();
  #isAccepting = true;

  constructor(input: QuicListenersInput) {
    this.#input = input;
    const { datagrams, tickets } = input.base.input;
    this.#secrets = new TicketedQuicSecrets(tickets.current.keys);
    this.#listeners = datagrams.map((one) => this.#listen(one));
  }

  #listen({ listener, sharing, sockets }: InheritedDatagrams): QuicListener {
    const { reactor } = this.#input.base;
    const { connectionsPerClientMax } = listener;
    const made = new QuicListener({
      reactor,
      clock: systemClock,
      fds: sockets.map(({ fd }) => fd),
      secrets: this.#secrets,
      limits: defaultQuicLimits,
      worker: { index: sockets[0]!.index, count: sharing },
      // An address that anybody can write into a packet must not use up what its owner may have.
      isRetryAlways: connectionsPerClientMax > 0,
      accept: (facts) => this.#accept(facts, made.port, connectionsPerClientMax),
    });
    return made;
  }

  #accept({ path }: AcceptFacts, port: number, perClient: number): AcceptedParts | undefined {
    const { base, generation, isFull } = this.#input;
    const { metrics } = base.input;
    const { acceptQuic, shared, connections } = generation();
    if (!this.#isAccepting || acceptQuic === null) return undefined;
    const peer = { remoteAddress: addressTextOf(path.peerIp), remotePort: path.peerPort };
    if (isFull() || !shared.clients.enter(peer.remoteAddress, perClient)) {
      metrics.connectionRefused('https');
      return undefined;
    }
    metrics.connectionAccepted('https');
    let connection!: Http3Downstream;
    const tls = acceptQuic(
      { onHandshakeEnd: (record) => connection.onHandshakeEnd(record) },
      peer.remoteAddress,
    );
    return {
      tls,
      trace: undefined,
      application: (quic) => {
        connection = new Http3Downstream(shared, {
          ...{ quic, tls, peer },
          local: { address: addressTextOf(path.localIp ?? NO_BYTES), port },
          atEndOfTurn: (body) => base.reactor.defer(body),
          grease: randomInt(GREASE_END),
        });
        connections.add(connection);
        return connection.application;
      },
    };
  }

  replaceTicketKeys(keys: readonly Uint8Array[]): void {
    this.#secrets.replaceKeys(keys);
  }

  /** What waits in the sockets is taken; from then on new connections are refused. */
  drain(): void {
    for (const listener of this.#listeners) listener.receiveWaiting();
    this.#isAccepting = false;
  }

  /** Tells metrics what has happened since the last time. */
  count(): void {
    const { metrics } = this.#input.base.input;
    for (const listener of this.#listeners) {
      const now = { ...listener.counts };
      const before = this.#counted.get(listener);
      this.#counted.set(listener, now);
      const since = (key: keyof EndpointCounts) => now[key] - (before?.[key] ?? 0);
      metrics.quicDatagramsReceived(since('datagramsReceived'));
      metrics.quicAnswered('retry', since('retries'));
      metrics.quicAnswered('version-negotiation', since('versionNegotiations'));
      metrics.quicAnswered('reset', since('resets'));
      metrics.quicAnswered('refusal', since('refused'));
      metrics.quicAnswered('none', since('dropped'));
    }
  }

  close(): void {
    this.count();
    for (const listener of this.#listeners) listener.close();
  }
}

const NO_BYTES = new Uint8Array(0);
