/** Which of several entries a host name belongs to: exact names before wildcards. */

export class HostNames<T> {
  readonly #exact = new Map<string, T>();
  /** By what follows the first label, with its dot: `.example.org`. */
  readonly #wildcards = new Map<string, T>();

  /** The first entry that claims a name has it. Names are in lower case. */
  add(name: string, entry: T): void {
    const isWildcard = name.startsWith('*.');
    const map = isWildcard ? this.#wildcards : this.#exact;
    const key = isWildcard ? name.slice(1) : name;
    if (!map.has(key)) map.set(key, entry);
  }

  /** `name` in lower case and without a final dot. One look-up in one or two tables. */
  find(name: string): T | undefined {
    const exact = this.#exact.get(name);
    if (exact !== undefined || this.#wildcards.size === 0) return exact;
    // A wildcard stands for exactly one label (RFC 9525 §6.3).
    const dot = name.indexOf('.');
    return dot > 0 ? this.#wildcards.get(name.slice(dot)) : undefined;
  }
}
