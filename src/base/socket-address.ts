/** Where to listen or connect: TCP address and port, or a UNIX socket's path. */
export type SocketAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };
