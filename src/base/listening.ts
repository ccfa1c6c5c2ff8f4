/** Whether something listens at an address of this machine. */
import { connect } from 'node:net';

/** On this machine whoever listens takes a connection at once. Milliseconds. */
const TIMEOUT_MS = 1_000;

/** Connects, and closes at once. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(false));
    socket.on('error', () => settle(false));
  });
}
