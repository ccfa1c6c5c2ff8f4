/** What is reported when sluice has begun to serve: where, with what, and as whom. */
import type { SluiceOptions } from '../config/options.ts';
import { defaultDownstreamLimits } from '../downstream/limits.ts';
import type { Report } from '../telemetry/log-event.ts';
import { connectionsFor } from '../worker/descriptors.ts';
import type { InheritedSockets } from './inherited-sockets.ts';
import { type OpenListener, socketAddressText } from './listeners.ts';

export interface StartFacts {
  readonly version: string;
  readonly options: SluiceOptions;
  readonly listeners: readonly OpenListener[];
}

/** Below this a server of the public Internet may feel it; more are few to nobody but a large edge. */
const CONNECTIONS_FEW = 10_000;

/** With fewer descriptors than its limits want, a worker takes fewer connections. */
export function reportDescriptors(report: Report, descriptors: number): void {
  const wanted = defaultDownstreamLimits.connectionsMax;
  const connections = connectionsFor(descriptors, wanted);
  if (connections === wanted) return;
  report(
    `each worker takes ${connections} connections instead of ${wanted}: it may have ` +
      `${descriptors} descriptors (RLIMIT_NOFILE); raise them with ulimit -n, or LimitNOFILE= of systemd`,
    {
      level: connections < CONNECTIONS_FEW ? 'warning' : 'info',
      subsystem: 'supervisor',
      event: 'few-descriptors',
      fields: { descriptors, connections },
    },
  );
}

/** Sockets that were open when we started, and that nobody wants. */
export function reportUnused(report: Report, sockets: InheritedSockets['rest']): void {
  for (const { bound } of sockets) {
    report(`the socket at ${socketAddressText(bound)} was passed on, but no option listens there`, {
      level: 'warning',
      subsystem: 'supervisor',
      event: 'socket-unused',
    });
  }
}

export function reportStart(report: Report, { version, options, listeners }: StartFacts): void {
  for (const { kind, address: bound, datagrams, datagramFault } of listeners) {
    const address = socketAddressText(bound);
    const fields = { kind, address };
    const beside = datagrams === null ? '' : ', for HTTP/3 on UDP as well';
    report(`listens at ${kind} ${address}${beside}`, { ...told, event: 'listening', fields });
    if (datagramFault === null) continue;
    const what = `no HTTP/3 at ${address}: ${datagramFault}`;
    report(what, { ...told, level: 'warning', event: 'http3-unavailable', fields });
  }
  const { workers, account } = options;
  const as = account === null ? '' : ` as ${account.name}`;
  report(`sluice ${version} serves with ${workers} worker${workers === 1 ? '' : 's'}${as}`, {
    ...told,
    event: 'started',
    fields: { version, workers, user: account?.name ?? null },
  });
}

const told = { level: 'info', subsystem: 'supervisor' } as const;
