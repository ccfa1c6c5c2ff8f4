/** What happens to a connection that a listener accepts, until its own protocol begins. */
import { AddressSet } from '../../base/address-range.ts';
import { SluiceError } from '../../base/errors.ts';
import type { SocketHandler, StreamSocket } from '../../reactor/contract.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { proxyHeader } from '../../transport/proxy-header.ts';
import type { ProxiedPeer } from '../../transport/proxy-protocol.ts';
import { Downstream, type DownstreamShared, type TlsAcceptor } from '../connection.ts';
import type { InheritedListener, SniTunnelOptions } from '../options.ts';
import {
  FilterChain,
  type ListenerFilter,
  ProxyHeaderFilter,
  type WatchedConnection,
} from './filter-chain.ts';
import { ServerNameRoutes } from './server-name-routes.ts';
import { ServerNameFilter } from './sni-filter.ts';
import { SniTunnel, type SniTunnels } from './sni-tunnel.ts';

/** What the acceptors of one worker share. */
export interface AcceptorInput {
  readonly shared: DownstreamShared;
  readonly metrics: Metrics;
  add(connection: WatchedConnection): void;
  remove(connection: WatchedConnection): void;
  readonly tunnels: SniTunnels;
  /** As many connections are open as may be. */
  isFull(): boolean;
}

const NO_BYTES = new Uint8Array(0);

function openTunnel(
  { shared, metrics, tunnels, add, remove }: AcceptorInput,
  socket: StreamSocket,
  { remoteAddress, remotePort }: ProxiedPeer,
  { to: target, proxyProtocol: version }: SniTunnelOptions,
): SniTunnel {
  const { localAddress, localPort } = socket;
  const client = { remoteAddress, remotePort, localAddress, localPort, tls: null };
  const tunnel = new SniTunnel({
    socket,
    target,
    preamble: version === 'off' ? NO_BYTES : proxyHeader(version, client),
    shared: tunnels,
    onClosed: (_tunnel, error) => {
      remove(tunnel);
      shared.clients.leave(remoteAddress);
      metrics.connectionClosed('https');
      if (error !== null) metrics.messageRefused(error.code);
    },
  });
  add(tunnel);
  return tunnel;
}

function noRoute(serverName: string): SluiceError {
  const why = `no tunnel is for the server name ${JSON.stringify(serverName)}`;
  return new SluiceError('no-tunnel', why, { blame: 'downstream' });
}

export type Acceptor = (socket: StreamSocket) => SocketHandler | null;

function tooManyConnections(): SluiceError {
  return new SluiceError('client-connections-full', 'the client has as many as it may', {
    blame: 'downstream',
  });
}

export function acceptorOf(
  listener: InheritedListener,
  accept: TlsAcceptor | null,
  input: AcceptorInput,
): Acceptor {
  const { shared, metrics } = input;
  const kind = listener.kind === 'http' ? 'http' : 'https';
  const acceptor = listener.kind === 'https' ? accept : null;
  const routes = listener.tunnels.length === 0 ? null : new ServerNameRoutes(listener.tunnels);
  const { http2Cleartext, proxyProtocol, announced } = listener;
  // Who may say whose connection it is: a header from anybody else is read as a bad request.
  const { accept: wanted, from } = proxyProtocol;
  const identifiers = wanted === 'off' ? null : new AddressSet(from);

  /** Null when the client has as many connections as it may. */
  const open = (
    socket: StreamSocket,
    peer: ProxiedPeer,
    route: SniTunnelOptions | null,
  ): SocketHandler | null => {
    if (!shared.clients.enter(peer.remoteAddress, listener.connectionsPerClientMax)) return null;
    if (route !== null) return openTunnel(input, socket, peer, route);
    const began = { socket, accept: acceptor, peer, http2Cleartext, announced };
    const connection = new Downstream(shared, began);
    input.add(connection);
    return connection.channel;
  };

  const openBehindFilters = (socket: StreamSocket, mayIdentify: boolean): SocketHandler => {
    let peer: ProxiedPeer = socket;
    let route: SniTunnelOptions | null = null;
    const filters: ListenerFilter[] = [];
    if (mayIdentify) {
      const step = new ProxyHeaderFilter(wanted === 'required', (proxied) => {
        peer = proxied;
      });
      filters.push(step);
    }
    if (routes !== null) {
      const step = new ServerNameFilter((name) => {
        route = routes.find(name);
        if (route === null && listener.kind === 'sni-routing') throw noRoute(name);
      });
      filters.push(step);
    }
    const chain = new FilterChain({
      socket,
      filters,
      timeoutMs: shared.limits.handshakeTimeoutMs,
      openedMs: shared.monotonicMs(),
      open: () => {
        const connection = open(socket, peer, route);
        if (connection === null) throw tooManyConnections();
        input.remove(chain);
        return connection;
      },
      onClosed: (_front, error) => {
        input.remove(chain);
        metrics.connectionClosed(kind);
        if (error !== null) metrics.messageRefused(error.code);
      },
    });
    input.add(chain);
    return chain;
  };

  return (socket) => {
    const mayIdentify = identifiers?.has(socket.remoteAddress) === true;
    if ((wanted === 'required' && !mayIdentify) || input.isFull()) {
      metrics.connectionRefused(kind);
      return null;
    }
    const hasFilters = mayIdentify || routes !== null;
    const handler = hasFilters
      ? openBehindFilters(socket, mayIdentify)
      : open(socket, socket, null);
    if (handler === null) metrics.connectionRefused(kind);
    else metrics.connectionAccepted(kind);
    return handler;
  };
}
