/**
 * The key log: the secrets of every TLS connection, for Wireshark and its like, in the format of NSS
 * (SSLKEYLOGFILE). Whoever reads it reads all traffic, so it is off unless it is asked for, and its
 * owner's alone.
 */
import { closeSync, constants, fchmodSync, writeSync } from 'node:fs';
import { openCarefully } from '../../base/careful-files.ts';
import { UsageError } from '../../base/errors.ts';

const OWNER_ONLY = 0o600;

export class KeyLog implements Disposable {
  readonly #onFault: (error: Error) => void;
  #fd: number;
  #lines: string[] = [];

  /** Appends to the file. Throws UsageError when it cannot. `onFault`: once, when it fails later. */
  constructor(path: string, onFault: (error: Error) => void) {
    this.#onFault = onFault;
    const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
    try {
      this.#fd = openCarefully(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, OWNER_ONLY);
      fchmodSync(this.#fd, OWNER_ONLY);
    } catch (error) {
      throw new UsageError(
        `the key log ${path} cannot be written (${(error as NodeJS.ErrnoException).code})`,
        'name a file of this user, not a link to one',
      );
    }
  }

  /** Called from inside of OpenSSL: only notes the line. */
  readonly write = (line: string): void => {
    if (this.#lines.length === 0) setImmediate(() => this.#flush());
    this.#lines.push(line);
  };

  #flush(): void {
    const text = this.#lines.map((line) => `${line}\n`).join('');
    this.#lines = [];
    if (this.#fd === -1 || text === '') return;
    try {
      // In one piece: other workers append to the same file.
      writeSync(this.#fd, text);
    } catch (error) {
      this.#close();
      this.#onFault(error as Error);
    }
  }

  [Symbol.dispose](): void {
    this.#flush();
    this.#close();
  }

  #close(): void {
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = -1;
  }
}
