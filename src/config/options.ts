/** The validated, frozen options of one sluice. Command line and configuration file both end here. */

/** Where to listen or connect: TCP address and port, or a UNIX socket's path. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** An IP address and how many of its leading bits count. */
export interface AddressRange {
  readonly address: string;
  readonly bits: number;
}

export interface OriginOptions {
  readonly scheme: 'http' | 'https';
  /** HTTP/2 if TLS agrees on it (https), without asking (h2c), or not at all (http). */
  readonly http2: 'alpn' | 'prior-knowledge' | 'never';
  readonly host: string;
  readonly port: number;
  /** Path prefix of the origin URL, without trailing slash; '' for none. */
  readonly pathPrefix: string;
  /** False only by an explicit, alarming option: the origin's certificate is not verified. */
  readonly verify: boolean;
  /** PEM file of roots instead of the system's, or ''. */
  readonly caFile: string;
}

export interface SluiceOptions {
  readonly origin: OriginOptions;
  readonly http: readonly Endpoint[];
  readonly https: readonly Endpoint[];
  /** PEM texts. Null when there is no https listener. */
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string } | null;
  readonly workers: number;
  /** Octets for the cache, over all workers: of disk with a directory, else of RAM. */
  readonly cacheSizeBytes: number;
  /** Octets of RAM for the cache, over all workers; `cacheSizeBytes` without a directory. */
  readonly cacheMemoryBytes: number;
  /** An absolute path, or '' for a cache in RAM alone. */
  readonly cacheDirectory: string;
  /** Who may send PURGE to a data port; empty for nobody. */
  readonly purgeFrom: readonly AddressRange[];
  readonly earlyData: boolean;
  /** `off`, `-` for standard output, or a file's path. */
  readonly accessLog: string;
  readonly accessLogFormat: 'combined' | 'json';
  readonly admin: Endpoint | null;
  /** Milliseconds that running exchanges get on SIGTERM. */
  readonly drainTimeoutMs: number;
}
