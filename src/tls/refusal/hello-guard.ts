/**
 * Refuses ClientHellos that have ended workers, before the engine sees them: the very same bytes, or
 * what has all that they have in common.
 */
import { createHash } from 'node:crypto';
import { clientHelloMessage, parseClientHello } from '../client-hello.ts';
import { hasTraits, traitsIn, traitsOf } from './hello-traits.ts';

export class HelloGuard {
  #refused: ReadonlySet<string> = new Set();
  #patterns: readonly (readonly string[])[] = [];

  /** While it is, nobody need keep a ClientHello for it. */
  get isEmpty(): boolean {
    return this.#refused.size === 0;
  }

  /** SHA-256 of messages in hexadecimal digits, and patterns (hello-traits.ts). */
  replace(fingerprints: readonly string[]): void {
    this.#refused = new Set(fingerprints);
    this.#patterns = fingerprints.map(traitsIn).filter((traits) => traits !== null);
  }

  /** `flight` holds a whole ClientHello in its records. */
  refuses(flight: Uint8Array): boolean {
    if (this.isEmpty) return false;
    const hello = this.#patterns.length === 0 ? null : parseClientHello(flight);
    if (hello !== null) {
      const traits = traitsOf(hello);
      if (this.#patterns.some((wanted) => hasTraits(traits, wanted))) return true;
    }
    const message = clientHelloMessage(flight);
    return message !== null && this.#refused.has(messageDigest(message));
  }
}

export function messageDigest(message: Uint8Array): string {
  return createHash('sha256').update(message).digest('hex');
}
