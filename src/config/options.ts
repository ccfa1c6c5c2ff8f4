/**
 * The validated, frozen options of one sluice. Command line and configuration file both end here. What
 * is off is null.
 */

import type { AcmeOptions } from '../acme/options.ts';
import type { AddressRange } from '../base/address-range.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { ClusterOptions } from '../cluster/options.ts';
import type { ListenerOptions } from '../downstream/options.ts';
import type { ContentLimits } from '../http/content-watch.ts';
import type { PluginOptions } from '../plugin/options.ts';
import type { ConnectMethodOptions } from '../proxy/connect-gateway.ts';
import type { ClientIdentityFields } from '../proxy/request/client-identity.ts';
import type { EarlyDataPolicy } from '../proxy/request/early-data.ts';
import type { ClientField } from '../proxy/request/forwarded-chain.ts';
import type { RouteOptions } from '../routing/route.ts';
import type { ErrorLogOptions, LogOptions } from '../telemetry/log-options.ts';
import type { FeatureSwitches } from '../tls/features.ts';
import { EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT, type HostTlsOptions } from '../tls/host-options.ts';
import {
  TICKET_LIFETIME_SECONDS_DEFAULT,
  TICKET_ROTATION_MS_DEFAULT,
  TICKETS_PER_HANDSHAKE_DEFAULT,
} from '../tls/ticket-ring.ts';
import type { RecorderOptions, RollbackOptions } from '../triage/options.ts';
import type { OriginGroupOptions } from '../upstream/options.ts';

/** A user of this machine and one group. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
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

/** What TLS clients meet under some names. */
export interface HostOptions {
  readonly tls: HostTlsOptions;
  /** Where each of `tls.certificates` was read from; null for one that was made. */
  readonly certificateFiles: readonly (CertificateFiles | null)[];
  /** Its certificates are had from an authority, and renewed, by sluice itself. */
  readonly isAcme: boolean;
  readonly earlyDataPolicy: EarlyDataPolicy;
  /** How the origin hears who a client with a certificate is. */
  readonly clientIdentityFields: ClientIdentityFields;
}

/** Absolute paths. */
export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** What TLS with clients is like on all hosts. */
export interface TlsOptions {
  /** An absolute path for the secrets of all connections; null for none. */
  readonly keyLog: string | null;
  /** Bytes of early data that open handshakes of one worker may send. */
  readonly earlyDataInFlightBytesMax: number;
  /** An absolute path to keys of session tickets; null for keys that sluice makes. */
  readonly ticketKeyFile: string | null;
  /** How long a key that sluice has made encrypts tickets. */
  readonly ticketRotationMs: number;
  readonly ticketLifetimeSeconds: number;
  readonly ticketsPerHandshake: number;
}

/** When nothing was said. */
export const plainTls: TlsOptions = {
  keyLog: null,
  earlyDataInFlightBytesMax: EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT,
  ticketKeyFile: null,
  ticketRotationMs: TICKET_ROTATION_MS_DEFAULT,
  ticketLifetimeSeconds: TICKET_LIFETIME_SECONDS_DEFAULT,
  ticketsPerHandshake: TICKETS_PER_HANDSHAKE_DEFAULT,
};

export interface SluiceOptions {
  /** Groups that routes name; none when every route answers by itself. */
  readonly origins: readonly OriginGroupOptions[];
  /** Each request takes the first that is for it. */
  readonly routes: readonly RouteOptions[];
  readonly listeners: readonly ListenerOptions[];
  /** In the order in which their hooks are called. */
  readonly plugins: readonly PluginOptions[];
  /** The first is for names that none of them has. Empty when there is no https listener. */
  readonly hosts: readonly HostOptions[];
  readonly tls: TlsOptions;
  /** How hosts get certificates by themselves; null when nothing is said of it. */
  readonly acme: AcmeOptions | null;
  /** Null for a machine of its own. */
  readonly cluster: ClusterOptions | null;
  readonly workers: number;
  /** Bytes for the cache, over all workers: of disk with a directory, else of RAM. */
  readonly cacheSizeBytes: number;
  /** Bytes of RAM for the cache, over all workers; `cacheSizeBytes` without a directory. */
  readonly cacheMemoryBytes: number;
  /** An absolute path; null for a cache in RAM alone. */
  readonly cacheDirectory: string | null;
  /** Who may send PURGE to a data port; null for nobody. */
  readonly purgeFrom: readonly AddressRange[] | null;
  /** Proxies that say whose requests they pass on; null for none. */
  readonly trustedProxies: readonly AddressRange[] | null;
  /** In which field they say so. */
  readonly trustedProxiesHeader: ClientField;
  /** What CONNECT may do; null for nothing. */
  readonly connect: ConnectMethodOptions | null;
  /** How fast the bodies of requests must come; null for no matter how. */
  readonly requestBody: ContentLimits | null;
  /** Features of handshakes that were switched on or off; see tls/features.ts. */
  readonly features: FeatureSwitches;
  readonly recorder: RecorderOptions;
  readonly autoDisable: RollbackOptions;
  /** Absolute paths of modules that run inside OpenSSL's callbacks; see worker/danger.ts. */
  readonly dangerModules: readonly string[];
  /** Where lines about requests and handshakes go. */
  readonly logs: readonly LogOptions[];
  readonly errorLog: ErrorLogOptions;
  readonly admin: SocketAddress | null;
  /** What TCP clients of the admin endpoint must know; null for nothing. */
  readonly adminToken: string | null;
  /** Whom workers run as; null for whoever has started sluice. */
  readonly account: Account | null;
  /** Where the process identifier is written; null for nowhere. */
  readonly pidFile: string | null;
  /** Milliseconds that running exchanges get on SIGTERM. */
  readonly drainTimeoutMs: number;
  /** How long a drain keeps what is idle. */
  readonly drainGraceMs: number;
}
