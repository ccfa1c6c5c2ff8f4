/** How the instances of a cluster meet: plain data. */
export interface ClusterOptions {
  /** `redis:` or `rediss:` URL, with user name, password and number of the database if need be. */
  readonly url: string;
  /** How long a ClientHello with early data waits for an answer. */
  readonly timeoutMs: number;
}
