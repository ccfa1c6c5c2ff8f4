/** What a worker listens on, and how connections may begin there. */
import type { AddressRange } from '../base/address-range.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { ALT_SVC_LIFETIME_SECONDS_DEFAULT, type AltSvcOptions } from '../http3/alt-svc.ts';

/** Under this: by which flag or key it was said, for people. No option: it is compared with nothing. */
export const saidAs = Symbol('said as');

/** What is spoken on a listening socket. */
export interface ListenerOptions {
  readonly [saidAs]?: string;
  readonly address: SocketAddress;
  /** `sni-routing`: TLS is not ended here; the server name chooses where the bytes go. */
  readonly kind: 'http' | 'https' | 'sni-routing';
  /** Connections that may wait with data in their SYN (TCP Fast Open); 0 for off. */
  readonly fastOpenQueue: number;
  /** HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3). Only for `http`. */
  readonly http2Cleartext: boolean;
  readonly http3: Http3ListenerOptions;
  readonly proxyProtocol: AcceptedProxyProtocol;
  /** Connections that one client address may have open in one worker; 0 for no limit. */
  readonly connectionsPerClientMax: number;
  /** TLS for these names is not ended here. For `https` and `sni-routing`. */
  readonly tunnels: readonly SniTunnelOptions[];
}

/** For `https`. */
export interface Http3ListenerOptions {
  readonly isOn: boolean;
  /** What clients are told of it over TCP. */
  readonly altSvc: AltSvcOptions;
}

/** Where TLS for some names goes. */
export interface SniTunnelOptions {
  /** Lower case, exact or `*.example.org`; none for what no other has, and for clients without a name. */
  readonly names: readonly string[];
  readonly to: { readonly host: string; readonly port: number };
  readonly proxyProtocol: 'off' | 'v1' | 'v2';
}

/** Whether connections begin with a PROXY protocol header, and who may send one. */
export interface AcceptedProxyProtocol {
  /** `optional`: the senders named may leave it out. Whoever is not named never sends one. */
  readonly accept: 'off' | 'optional' | 'required';
  readonly from: readonly AddressRange[];
}

/** A listener of which only the flag is known. */
export const plainListener = {
  fastOpenQueue: 0,
  tunnels: [],
  http2Cleartext: false,
  http3: {
    isOn: false,
    altSvc: { mode: 'on', publicPort: 0, lifetimeSeconds: ALT_SVC_LIFETIME_SECONDS_DEFAULT },
  },
  proxyProtocol: { accept: 'off', from: [] },
  connectionsPerClientMax: 0,
} as const satisfies Partial<ListenerOptions>;

/** A listening socket, bound and listening. The worker adopts the descriptor, and closes it. */
export interface InheritedListener extends ListenerOptions {
  readonly fd: number;
  /** Index of the worker that takes its connections. */
  readonly place: number;
  /** What its responses say in Alt-Svc; null for nothing. */
  readonly announced: string | null;
}

/** The UDP sockets beside a listener of `https` that one worker reads. */
export interface InheritedDatagrams {
  /** What else holds of the listener. */
  readonly listener: ListenerOptions;
  /** How many sockets share the port: what connection IDs are made by. */
  readonly sharing: number;
  readonly sockets: readonly InheritedDatagramSocket[];
}

/** A UDP socket, bound. The worker adopts the descriptor, and closes it. */
export interface InheritedDatagramSocket {
  readonly fd: number;
  /** Which of those that share the port. */
  readonly index: number;
}
