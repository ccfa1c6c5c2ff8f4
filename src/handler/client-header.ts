/**
 * What sluice tells a handler of the client, in one field of the request. Only sluice can reach the
 * socket at which the handler listens, and it writes the field last of all, over what the client sent.
 */

/** Never on the way to other origins. */
export const CLIENT_FIELD = 'sluice-client';

export interface HandlerClientTls {
  readonly version: string;
  readonly cipher: string;
  /** Of the key exchange; '' without. */
  readonly group: string;
  /** The protocol that was agreed on; '' for none. */
  readonly alpn: string;
  /** The name that the client asked for; '' for none. */
  readonly serverName: string;
  readonly resumed: boolean;
  /** `accepted`, `rejected` or such: what became of early data on the connection. */
  readonly earlyData: string;
}

/** Of the connection: what is behind a trusted proxy is in `Forwarded`. */
export interface HandlerClient {
  /** IP address; `unix` for a client at a UNIX socket. */
  readonly address: string;
  readonly localAddress: string;
  readonly localPort: number;
  /** The request came as early data, and its handshake was open as it was sent on. */
  readonly early: boolean;
  /** Null for plaintext. */
  readonly tls: HandlerClientTls | null;
}

/** As much of a connection's facts as is told. */
export interface ClientSource {
  readonly peerAddress: string;
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls: HandlerClientTls | null;
}

/** JSON in ASCII: whatever is in a name, it is a field's value. */
export function clientFieldValue(source: ClientSource, early: boolean): string {
  const { peerAddress, localAddress, localPort, tls } = source;
  const client: HandlerClient = {
    address: peerAddress,
    localAddress,
    localPort,
    early,
    tls: tls === null ? null : told(tls),
  };
  return JSON.stringify(client).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function told({
  version,
  cipher,
  group,
  alpn,
  serverName,
  resumed,
  earlyData,
}: HandlerClientTls): HandlerClientTls {
  return { version, cipher, group, alpn, serverName, resumed, earlyData };
}

/** Null without the field: health checks, and revalidations that no client waits for. */
export function clientOf(value: string | undefined): HandlerClient | null {
  return value === undefined ? null : (JSON.parse(value) as HandlerClient);
}
