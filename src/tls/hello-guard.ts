/**
 * Refuses ClientHellos that have ended workers, before the engine sees them: the very same bytes, or
 * the same shape.
 */
import { createHash } from 'node:crypto';
import { clientHelloMessage, parseClientHello } from './client-hello.ts';
import { shapeOf } from './hello-shape.ts';

export class HelloGuard {
  #refused: ReadonlySet<string> = new Set();

  /** While it is, nobody need keep a ClientHello for it. */
  get isEmpty(): boolean {
    return this.#refused.size === 0;
  }

  /** SHA-256 of messages in hexadecimal digits, and shapes (hello-shape.ts). */
  replace(fingerprints: readonly string[]): void {
    this.#refused = new Set(fingerprints);
  }

  /** `flight` holds a whole ClientHello in its records. */
  refuses(flight: Uint8Array): boolean {
    if (this.isEmpty) return false;
    const hello = parseClientHello(flight);
    if (hello !== null && this.#refused.has(shapeOf(hello))) return true;
    const message = clientHelloMessage(flight);
    return message !== null && this.#refused.has(messageDigest(message));
  }
}

export function messageDigest(message: Uint8Array): string {
  return createHash('sha256').update(message).digest('hex');
}
