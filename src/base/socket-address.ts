/** Where to listen or connect: TCP address and port, or a UNIX socket's path. */
export type SocketAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** A host name or an IP address as URLs have it: IPv6 in brackets (RFC 3986 §3.2.2). */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** `127.0.0.1:8080` or `[::1]:8080`. */
export function hostAndPort(host: string, port: number): string {
  return `${bracketed(host)}:${port}`;
}
