/** A sluice with an observer that does harm, and the client that it harms. */
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';

export const dangerModule = fileURLToPath(new URL('../proofs/danger.ts', import.meta.url));

/** Flags that switch harmful observers on. */
export function dangerFlags(...names: readonly string[]): string[] {
  return ['--danger-module', dangerModule, ...names.flatMap((name) => ['--feature', `${name}=on`])];
}

export interface HandshakeSettings {
  readonly servername?: string;
  /** By the client's preference; it sends a share for the first. */
  readonly groups?: string;
}

/** No server of ours takes the first group, so that it asks for another: a HelloRetryRequest. */
export const RETRIED_GROUPS = 'ffdhe4096:X25519';

/** Resolves with the protocol's version, or with the error's code. */
export function shakeHands(port: number, settings: HandshakeSettings = {}): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: settings.servername ?? 'localhost',
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ecdhCurve: settings.groups ?? 'X25519',
  });
  socket.once('secureConnect', () => {
    resolve(socket.getProtocol() ?? '');
    socket.destroy();
  });
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  socket.once('close', () => resolve('closed'));
  return promise;
}
