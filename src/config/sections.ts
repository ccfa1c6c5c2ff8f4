/** What the sections of a file have come to, each where the file has it. */
import type { RouteOptions } from '../proxy/routing/route.ts';
import type { ConnectOptions } from '../proxy/tunnel/connect-gateway.ts';
import type { OriginGroupOptions } from '../proxy/upstream/options.ts';
import type { LogOptions, LogRotation } from '../telemetry/log-options.ts';
import type { ClientTimeouts } from './compile/timeouts.ts';
import type { HostOptions, ListenerOptions, TlsOptions } from './options.ts';

export interface FileSections {
  readonly listeners?: readonly ListenerOptions[];
  readonly hosts?: readonly HostOptions[];
  readonly tls?: TlsOptions;
  /** At least one. */
  readonly origins?: readonly OriginGroupOptions[];
  readonly routes?: readonly RouteOptions[];
  readonly connect?: ConnectOptions;
  readonly timeouts?: ClientTimeouts;
  readonly logs?: readonly LogOptions[];
  readonly errorLogRotate?: LogRotation | null;
}
