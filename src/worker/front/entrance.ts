/** What happens to a connection that a listener accepts, until its own protocol begins. */
import { AddressSet } from '../../base/address-range.ts';
import { SluiceError } from '../../base/errors.ts';
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

function tooManyConnections(): SluiceError {
  return new SluiceError('client-connections-full', 'the client has as many as it may', {
    blame: 'downstream',
  });
}

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

  /** Null when the client has as many connections as it may. */
  const open = (socket: StreamSocket, peer: ProxiedPeer): SocketHandler | null => {
    if (!shared.clients.enter(peer.remoteAddress, listener.connectionsPerClientMax)) return null;
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
        const connection = open(socket, peer);
        if (connection === null) throw tooManyConnections();
        input.remove(front);
        return connection;
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
    const handler = mayIdentify ? openBehindFront(socket) : open(socket, socket);
    if (handler === null) metrics.connectionRefused(kind);
    else metrics.connectionAccepted(kind);
    return handler;
  };
}
