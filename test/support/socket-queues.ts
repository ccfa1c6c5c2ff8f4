/** What of a connection's bytes is in kernels, by Linux's table of sockets. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/** Bytes that were written to an IPv4 connection of this machine and that its other end has not read. */
export function untakenBytes(socket: Socket): number {
  const { localPort, remotePort, writableLength } = socket;
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  const queues = rows.map((row) => row.trim().split(/[\s:]+/));
  // Columns: number, local address and port, remote address and port, state, sent and not
  // acknowledged, received and not read.
  const queued = (from: number | undefined, to: number | undefined, column: number) => {
    const row = queues.find(
      ([, , local, , remote]) => portOf(local) === from && portOf(remote) === to,
    );
    return Number.parseInt(row?.[column] ?? '0', 16);
  };
  return writableLength + queued(localPort, remotePort, 6) + queued(remotePort, localPort, 7);
}

function portOf(hex: string | undefined): number {
  return Number.parseInt(hex ?? '', 16);
}
