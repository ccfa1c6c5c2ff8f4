import type { SocketAddress } from '../../base/socket-address.ts';
import {
  type ListenerOptions,
  plainListener,
  type SniTunnelOptions,
  saidAs,
} from '../../downstream/options.ts';
import { parseTarget } from '../../tunnel/destination.ts';
import type { ListenersEntry } from '../schema/listeners.ts';
import type { CompileContext } from './context.ts';
import { hostName } from './host-name.ts';

export function compileListeners(
  entries: ListenersEntry,
  context: CompileContext,
): ListenerOptions[] {
  const known = new Map<string, number>();
  return entries.map((entry, i) => {
    const { address, protocol: kind = 'https', 'proxy-protocol': proxy = {} } = entry;
    const { accept = 'off', from = [] } = proxy;
    if (accept !== 'off' && from.length === 0) {
      const path = [i, 'proxy-protocol', 'from'];
      context.refuse(
        path,
        'no address may send a header',
        'name the load balancers: from: [10.0.0.0/8]',
      );
    }
    const http2Cleartext = entry['http2-cleartext'] ?? false;
    if (http2Cleartext && kind !== 'http') {
      const remedy = 'leave it out: with https, clients choose HTTP/2 in the handshake';
      context.refuse([i, 'http2-cleartext'], `not with the protocol ${kind}`, remedy);
    }
    const earlier = address === undefined ? undefined : noteAddress(known, address, i);
    if (earlier !== undefined) {
      const problem = `the same address as listeners[${earlier}]`;
      context.refuse([i, 'address'], problem, 'write another port, or remove one of them');
    }
    return {
      ...plainListener,
      [saidAs]: `listeners[${i}].address`,
      address,
      kind,
      fastOpenQueue: entry['fast-open'] ?? plainListener.fastOpenQueue,
      http2Cleartext,
      http3: http3Of(entry, kind, i, context),
      proxyProtocol: { accept, from },
      connectionsPerClientMax: entry['connections-per-client'] ?? 0,
      tunnels: compileTunnels(entry, kind, i, context),
    };
  });
}

function http3Of(
  { http3, 'alt-svc': altSvc = {} }: ListenersEntry[number],
  kind: ListenerOptions['kind'],
  i: number,
  context: CompileContext,
): ListenerOptions['http3'] {
  if (http3 === true && kind !== 'https') {
    context.refuse([i, 'http3'], `not with the protocol ${kind}`, 'leave it out');
  }
  const plain = plainListener.http3;
  const { lifetime } = altSvc;
  return {
    isOn: http3 ?? plain.isOn,
    altSvc: {
      mode: altSvc.mode ?? plain.altSvc.mode,
      publicPort: altSvc.port ?? plain.altSvc.publicPort,
      lifetimeSeconds:
        lifetime === undefined ? plain.altSvc.lifetimeSeconds : Math.round(lifetime / 1_000),
    },
  };
}

function compileTunnels(
  { tunnels = [] }: ListenersEntry[number],
  kind: ListenerOptions['kind'],
  i: number,
  context: CompileContext,
): SniTunnelOptions[] {
  if (kind === 'http' && tunnels.length > 0) {
    const remedy = 'write protocol: https or sni-routing';
    context.refuse([i, 'tunnels'], 'not with the protocol http', remedy);
  }
  if (kind === 'sni-routing' && tunnels.length === 0) {
    context.refuse(
      [i],
      'sni-routing leads nowhere',
      'add tunnels: [{names: [NAME], to: HOST:PORT}]',
    );
  }
  return tunnels.map(({ names = [], to, 'proxy-protocol': proxyProtocol = 'off' }, j) => {
    const target = parseTarget(to);
    if (target === null) {
      context.refuse([i, 'tunnels', j, 'to'], 'not HOST:PORT', 'write it as 10.0.0.5:443');
    }
    return {
      names: names.map((name, k) => hostName(name, [i, 'tunnels', j, 'names', k], context)),
      to: target ?? { host: '', port: 0 },
      proxyProtocol,
    };
  });
}

/** The number of the listener that has the address already. Port 0 is another one each time. */
function noteAddress(
  known: Map<string, number>,
  address: SocketAddress,
  i: number,
): number | undefined {
  if (!('path' in address) && address.port === 0) return undefined;
  const text = 'path' in address ? address.path : `${address.host} ${address.port}`;
  const earlier = known.get(text);
  if (earlier === undefined) known.set(text, i);
  return earlier;
}
