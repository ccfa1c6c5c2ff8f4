/** What the sections of a file have come to, each where the file has it. */

import type { AcmeOptions } from '../acme/options.ts';
import type { ListenerOptions } from '../downstream/options.ts';
import type { PluginOptions } from '../plugin/options.ts';
import type { ConnectMethodOptions } from '../proxy/connect-gateway.ts';
import type { RouteOptions } from '../routing/route.ts';
import type { LogOptions, LogRotation } from '../telemetry/log-options.ts';
import type { OriginGroupOptions } from '../upstream/options.ts';
import type { ClientTimeouts } from './compile/timeouts.ts';
import type { HostOptions, TlsOptions } from './options.ts';
import type { TransportPolicy } from './secure-transport.ts';

/** What a file says of certificates that sluice gets by itself; null where the rest decides. */
export interface AcmeSection
  extends Omit<AcmeOptions, 'email' | 'storage' | 'challenges' | 'cluster'> {
  readonly storage: string | null;
  readonly challenges: AcmeOptions['challenges'] | null;
  /** Hexadecimal. */
  readonly clusterSecret: string | null;
}

export interface FileSections {
  readonly acme?: AcmeSection;
  readonly listeners?: readonly ListenerOptions[];
  readonly hosts?: readonly HostOptions[];
  readonly tls?: TlsOptions;
  /** At least one. */
  readonly origins?: readonly OriginGroupOptions[];
  readonly routes?: readonly RouteOptions[];
  readonly plugins?: readonly PluginOptions[];
  readonly connect?: ConnectMethodOptions;
  readonly timeouts?: ClientTimeouts;
  readonly logs?: readonly LogOptions[];
  readonly transportPolicies?: readonly TransportPolicy[];
  readonly errorLogRotate?: LogRotation | null;
}
