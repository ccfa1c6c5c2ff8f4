/** What happens to a connection that a listener accepts, until its own protocol begins. */
import { AddressSet } from '../../base/address-range.ts';
import type { ProxiedPeer } from '../../proxy/proxy-protocol.ts';
import type { SocketHandler, StreamSocket } from '../../reactor/contract.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { InheritedListener } from '../contract.ts';
import { Downstream, type DownstreamShared, type TlsAcceptor } from '../downstream.ts';
import {
  ConnectionFront,
  type FrontStep,
  ProxyHeaderStep,
  type WatchedConnection,
} from './connection-front.ts';

/** What the entrances of one worker share. */
export interface EntranceInput {
  readonly shared: DownstreamShared;
  readonly metrics: Metrics;
  add(connection: WatchedConnection): void;
  remove(connection: WatchedConnection): void;
  /** As many connections are open as may be. */
  isFull(): boolean;
}

export type Entrance = (socket: StreamSocket) => SocketHandler | null;

export function entranceOf(
  listener: InheritedListener,
  accept: TlsAcceptor | null,
  input: EntranceInput,
): Entrance {
  const { shared, metrics } = input;
  const kind = listener.kind === 'http' ? 'http' : 'https';
  const acceptor = kind === 'https' ? accept : null;
  const { http2Cleartext, proxyProtocol } = listener;
  // Who may say whose connection it is: a header from anybody else is read as a bad request.
  const { accept: wanted, from } = proxyProtocol;
  const identifiers = wanted === 'off' ? null : new AddressSet(from);

  const open = (socket: StreamSocket, peer: ProxiedPeer): SocketHandler => {
    const connection = new Downstream(shared, { socket, accept: acceptor, peer, http2Cleartext });
    input.add(connection);
    return connection.channel;
  };

  const openBehindFront = (socket: StreamSocket): SocketHandler => {
    let peer: ProxiedPeer = socket;
    const steps: FrontStep[] = [
      new ProxyHeaderStep(wanted === 'required', (proxied) => {
        peer = proxied;
      }),
    ];
    const front = new ConnectionFront({
      socket,
      steps,
      timeoutMs: shared.limits.handshakeTimeoutMs,
      openedMs: shared.monotonicMs(),
      open: () => {
        input.remove(front);
        return open(socket, peer);
      },
      onClosed: (_front, error) => {
        input.remove(front);
        metrics.connectionClosed(kind);
        if (error !== null) metrics.messageRefused(error.code);
      },
    });
    input.add(front);
    return front;
  };

  return (socket) => {
    const mayIdentify = identifiers?.has(socket.remoteAddress) === true;
    if ((wanted === 'required' && !mayIdentify) || input.isFull()) {
      metrics.connectionRefused(kind);
      return null;
    }
    metrics.connectionAccepted(kind);
    return mayIdentify ? openBehindFront(socket) : open(socket, socket);
  };
}
