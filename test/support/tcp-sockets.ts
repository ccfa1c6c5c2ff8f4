/** Linux's table of TCP sockets over IPv4. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

export interface TcpSocket {
  readonly localPort: number;
  readonly peerPort: number;
  readonly isListening: boolean;
  /** Bytes that were written and that the other end's kernel has not acknowledged. */
  readonly unacknowledgedBytes: number;
  /** Bytes that have come and that nobody has read. */
  readonly unreadBytes: number;
  /** By which the descriptors of processes name it. */
  readonly inode: string;
}

const LISTENING = 0x0a;

export function tcpSockets(): TcpSocket[] {
  const rows = readFileSync('/proc/net/tcp', 'latin1').trimEnd().split('\n').slice(1);
  return rows.map((row) => {
    const [, local, peer, state, queues, , , , , inode = ''] = row.trim().split(/\s+/);
    const [unacknowledgedBytes, unreadBytes] = hexIn(queues);
    return {
      localPort: hexIn(local)[1]!,
      peerPort: hexIn(peer)[1]!,
      isListening: hexIn(state)[0] === LISTENING,
      unacknowledgedBytes: unacknowledgedBytes!,
      unreadBytes: unreadBytes!,
      inode,
    };
  });
}

function hexIn(column = ''): number[] {
  return column.split(':').map((digits) => Number.parseInt(digits, 16));
}

/** Bytes that were written to a connection of this machine and that its other end has not read. */
export function untakenBytes({ localPort, remotePort, writableLength }: Socket): number {
  const sockets = tcpSockets();
  const between = (from: number | undefined, to: number | undefined) =>
    sockets.find((one) => one.localPort === from && one.peerPort === to);
  const [near, far] = [between(localPort, remotePort), between(remotePort, localPort)];
  return writableLength + (near?.unacknowledgedBytes ?? 0) + (far?.unreadBytes ?? 0);
}
