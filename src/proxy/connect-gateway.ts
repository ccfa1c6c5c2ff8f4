/**
 * CONNECT (RFC 9110 §9.3.6): a tunnel to where the client asks, when the operator allows it to this
 * client, to that port and to those addresses. Everything else goes on as it came.
 */
import { type AddressRange, AddressSet } from '../base/address-range.ts';
import { SluiceError } from '../base/errors.ts';
import type {
  RequestFacts,
  RequestHandler,
  RequestSink,
  ResponseSender,
} from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import { hasStreams, type RequestHead } from '../http/message.ts';
import type { NativeBuffer } from '../native/memory.ts';
import { reachable, type Target } from '../tunnel/destination.ts';
import type { TunnelLimits } from '../tunnel/limits.ts';
import { type ConnectTo, Outbound, type OutboundHandler } from '../tunnel/outbound.ts';
import type { TunnelTable, WatchedTunnel } from '../tunnel/tunnel-table.ts';
import type { ProxyEnvironment } from './environment.ts';
import { ExchangeRecord } from './exchange-record.ts';
import type { ReverseProxy } from './proxy.ts';

/** What an operator says of CONNECT: plain data. */
export interface ConnectMethodOptions {
  /** Who may ask. */
  readonly from: readonly AddressRange[];
  readonly ports: readonly number[];
  /** Addresses that may be reached besides public ones. */
  readonly to: readonly AddressRange[];
}

type Proxy = Pick<ReverseProxy, 'onRequest' | 'turnAway' | 'turnAwayFromOrigin'>;

export interface ConnectGatewayInput {
  readonly options: ConnectMethodOptions;
  /** Gets all other requests. */
  readonly next: Proxy;
  readonly connect: ConnectTo;
  readonly tunnels: TunnelTable;
  readonly limits: TunnelLimits;
  readonly environment: Pick<ProxyEnvironment, 'clock' | 'observer' | 'requests'>;
}

export class ConnectGateway implements RequestSink {
  readonly input: ConnectGatewayInput;
  readonly mayReach: (address: string) => boolean;
  readonly #clients: AddressSet;

  constructor(input: ConnectGatewayInput) {
    this.input = input;
    this.mayReach = reachable(input.options.to);
    this.#clients = new AddressSet(input.options.from);
  }

  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    const { next } = this.input;
    if (head.method !== 'CONNECT' || head.upgrade !== '')
      return next.onRequest(head, sender, facts);
    const target = this.#judge(head, facts);
    if (target instanceof SluiceError) return next.turnAway(target, head, sender, facts);
    const exchange = new ConnectExchange(this, head, sender, facts);
    exchange.begin(target);
    return exchange;
  }

  readonly turnAway: Proxy['turnAway'] = (...request) => this.input.next.turnAway(...request);

  readonly turnAwayFromOrigin: Proxy['turnAwayFromOrigin'] = (...request) =>
    this.input.next.turnAwayFromOrigin(...request);

  #judge(head: RequestHead, facts: RequestFacts): Target | SluiceError {
    const { options, tunnels } = this.input;
    const { address, port } = head.authority;
    const target = port < 1 ? null : { host: address, port };
    if (!this.#clients.has(facts.remoteAddress)) {
      return new SluiceError('tunnel-client-refused', 'this client may open no tunnels', {
        blame: 'downstream',
      });
    }
    if (target === null || !options.ports.includes(target.port)) {
      const why = `tunnels lead to the ports ${options.ports.join(', ')} only`;
      return new SluiceError('tunnel-destination-refused', why, { blame: 'downstream' });
    }
    if (tunnels.isFull) {
      return new SluiceError('tunnels-full', 'as many tunnels are open as may be', {
        blame: 'internal',
      });
    }
    return target;
  }
}

class ConnectExchange implements RequestHandler, OutboundHandler, WatchedTunnel {
  progress = 0;
  readonly #gateway: ConnectGateway;
  readonly #head: RequestHead;
  readonly #sender: ResponseSender;
  readonly #facts: RequestFacts;
  readonly #record: ExchangeRecord;
  #outbound: Outbound | null = null;
  #isOpen = false;
  #isOver = false;
  #endedEarly = false;
  #inputEnded = false;
  #outputEnded = false;

  constructor(
    gateway: ConnectGateway,
    head: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
  ) {
    const { environment } = gateway.input;
    this.#gateway = gateway;
    this.#head = head;
    this.#sender = sender;
    this.#facts = facts;
    const { clock, requests } = environment;
    const slot = requests.begin(head, facts, clock.wallMs());
    const startedMs = clock.monotonicMs();
    this.#record = new ExchangeRecord({
      environment,
      head,
      facts,
      startedMs,
      slot,
      plugins: null,
    });
    this.#record.cache = 'bypass';
  }

  begin(target: Target): void {
    const { connect, limits, tunnels, environment } = this.#gateway.input;
    tunnels.add(this, environment.clock.monotonicMs());
    // Until there is somewhere to send it, what the client sends stays with it.
    this.#sender.pause();
    // Early data may be a replay, and a connection is an effect (RFC 8470 §2).
    this.#facts.whenHandshakeEnds((complete) => {
      if (!complete || this.#isOver) return;
      this.#record.originAsked();
      const { mayReach } = this.#gateway;
      const timeoutMs = limits.tunnelConnectTimeoutMs;
      this.#outbound = new Outbound({ target, mayReach, connect, timeoutMs, handler: this });
    });
  }

  // ------------------------------------------------------------------ from the far side

  onConnected(): void {
    this.#isOpen = true;
    this.#record.originAnswered(OK);
    this.#record.responseStarted(OK);
    this.#sender.upgrade(OK, new FieldSection());
    this.#sender.resume();
    if (this.#endedEarly) this.onEnd();
  }

  onReceived(buffer: NativeBuffer, length: number): void {
    this.progress++;
    this.#record.responseBytes += length;
    const isWritable = this.#sender.sendContent(buffer.bytes.subarray(0, length));
    if (!isWritable) this.#outbound?.pause();
  }

  onFarEnd(): void {
    this.#outputEnded = true;
    this.#sender.sendEnd(null);
    if (this.#inputEnded) this.#finish('');
  }

  onDrained(): void {
    this.#sender.resume();
  }

  onGone(error: SluiceError | null): void {
    if (this.#isOver) return;
    if (!this.#isOpen) {
      this.#fail(error ?? failedToConnect());
    } else if (error !== null) {
      this.#sender.abort(error);
      this.#finish(error.code);
    } else {
      if (!this.#outputEnded) this.#sender.sendEnd(null);
      this.#finish('');
    }
  }

  #fail(error: SluiceError): void {
    this.#forget();
    // It has an exchange of its own, which is logged in place of this one.
    this.#gateway.input.next.turnAway(error, this.#head, this.#sender, this.#facts);
  }

  // ------------------------------------------------------------------ from the client

  onContent(bytes: Uint8Array): void {
    this.progress++;
    this.#record.requestContent(bytes);
    if (this.#outbound?.write(bytes) === false) this.#sender.pause();
  }

  onEnd(): void {
    if (!this.#isOpen) {
      // In HTTP/1 a CONNECT has no content, and what follows is the tunnel's; a stream has one end.
      this.#endedEarly = hasStreams(this.#head.version);
      return;
    }
    this.#inputEnded = true;
    this.#outbound?.end();
    if (this.#outputEnded) this.#finish('');
  }

  onWritable(): void {
    this.#outbound?.resume();
  }

  onAbort(error: SluiceError): void {
    if (this.#isOver) return;
    this.#outbound?.destroy();
    this.#finish(error.code);
  }

  // ------------------------------------------------------------------ its end

  breakOff(): void {
    this.#outbound?.destroy();
    const error = new SluiceError('tunnel-idle', 'nothing has moved for too long', {
      blame: 'internal',
    });
    this.#sender.abort(error);
    this.#finish(error.code);
  }

  #finish(errorCode: string): void {
    if (this.#isOver) return;
    this.#forget();
    this.#record.finish(errorCode);
  }

  #forget(): void {
    this.#isOver = true;
    this.#gateway.input.tunnels.remove(this);
  }
}

const OK = 200;

function failedToConnect(): SluiceError {
  return new SluiceError('connection-failed', 'no address answered', { blame: 'upstream' });
}
