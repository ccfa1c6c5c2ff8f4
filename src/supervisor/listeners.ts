/** Opens the listening sockets, which belong to the supervisor so that they outlive workers. */
import { statsOf } from '../base/careful-files.ts';
import { SluiceError, UsageError } from '../base/errors.ts';
import { hostAndPort, type SocketAddress } from '../base/socket-address.ts';
import type { InheritedDatagrams, InheritedListener } from '../downstream/options.ts';
import { type ListenerOptions, saidAs } from '../downstream/options.ts';
import { altSvcValue } from '../http3/alt-svc.ts';
import { closeDescriptor, openListeningSockets, removeSocketFile } from '../native/sockets.ts';
import {
  adoptDatagrams,
  closeDatagrams,
  datagramsFor,
  type OpenDatagrams,
  openDatagrams,
  wantsDatagrams,
} from './datagram-sockets.ts';
import { InheritedSockets } from './inherited-sockets.ts';

/**
 * One address, as bound (a port 0 has become the one that the kernel chose), with its sockets: one
 * for each worker that we have opened; as many as there are of those that were open already.
 */
export interface OpenListener extends ListenerOptions {
  /** As the options say it: a port 0 stays one. */
  readonly wanted: SocketAddress;
  readonly fds: readonly number[];
  /** The UDP sockets for HTTP/3; null for none. */
  readonly datagrams: OpenDatagrams | null;
  /** Why there are none though they are wanted; null when nothing is wrong. */
  readonly datagramFault: string | null;
}

/** A port that is free for TCP is seldom taken for UDP. */
const ANY_PORT_ATTEMPTS_MAX = 8;

/**
 * Opens every address for `workers` workers. Throws UsageError that names the flag when one cannot
 * be had; then none stays open.
 */
export function openListeners(
  listeners: readonly ListenerOptions[],
  workers: number,
  inherited: InheritedSockets = new InheritedSockets([]),
): OpenListener[] {
  const open: OpenListener[] = [];
  try {
    for (const listener of listeners) open.push(openListener(listener, workers, inherited));
  } catch (error) {
    closeListeners(open);
    throw error;
  }
  return open;
}

function openListener(
  listener: ListenerOptions,
  workers: number,
  inherited: InheritedSockets,
): OpenListener {
  const { kind, address, fastOpenQueue } = listener;
  const passed = inherited.take(address);
  const wanted = address;
  if (passed !== null) {
    const { bound, fds, datagrams = null } = passed;
    const open = { ...listener, wanted, address: bound, fds };
    return { ...open, ...datagramsBeside(open, workers, datagrams) };
  }
  try {
    for (let attempt = 1; ; attempt++) {
      const { fds, port } = openListeningSockets(address, workers, { fastOpenQueue });
      const bound = 'path' in address ? address : { ...address, port };
      const open = { ...listener, wanted, address: bound, fds: [...new Set(fds)] };
      const beside = datagramsBeside(open, workers, null);
      const isOurChoice = 'port' in address && address.port === 0;
      if (beside.datagramFault === null || !isOurChoice || attempt === ANY_PORT_ATTEMPTS_MAX) {
        return { ...open, ...beside };
      }
      // Any port will do, but one that is free for both.
      for (const fd of open.fds) closeDescriptor(fd);
    }
  } catch (error) {
    const said = listener[saidAs] ?? (kind === 'http' ? '--http' : '--https');
    if (error instanceof SluiceError) throw listenError(said, address, error.code);
    throw error;
  }
}

type DatagramsBeside = Pick<OpenListener, 'datagrams' | 'datagramFault'>;

/** `passed`: those of the sluice before. Without UDP there is TCP still. */
function datagramsBeside(
  listener: Omit<OpenListener, keyof DatagramsBeside>,
  workers: number,
  passed: OpenDatagrams | null,
): DatagramsBeside {
  if (!wantsDatagrams(listener)) {
    if (passed !== null) closeDatagrams(passed, false);
    return { datagrams: null, datagramFault: null };
  }
  if (passed !== null) return { datagrams: adoptDatagrams(passed), datagramFault: null };
  try {
    return { datagrams: openDatagrams(listener.address, workers), datagramFault: null };
  } catch (error) {
    return { datagrams: null, datagramFault: (error as Error).message };
  }
}

/** What to do about an address that cannot be listened on, by the flag or key that asked for it. */
export function listenError(said: string, address: SocketAddress, code: string): UsageError {
  const place = `${said} ${socketAddressText(address)}`;
  const isPath = 'path' in address;
  switch (code) {
    case 'address-in-use':
      return inUseError(said, address);
    case 'address-forbidden':
      return new UsageError(
        `${place}: this user may not listen there`,
        isPath
          ? 'choose a directory that this user may write, and no link of another user leads to'
          : `choose a port from 1024 up with ${said} [HOST:]PORT, or grant CAP_NET_BIND_SERVICE`,
      );
    case 'address-unavailable':
      return new UsageError(
        `${place}: not an address of this machine`,
        `choose one with ${said} [HOST:]PORT`,
      );
    default:
      return new UsageError(
        `${place}: cannot listen there (${code})`,
        `choose another with ${said} [HOST:]PORT`,
      );
  }
}

function inUseError(said: string, address: SocketAddress): UsageError {
  const place = `${said} ${socketAddressText(address)}`;
  if (!('path' in address)) {
    return new UsageError(
      `${place}: the port is taken`,
      `stop the program that listens there, or choose another with ${said} [HOST:]PORT`,
    );
  }
  // A socket that nobody serves at was removed before: to remove this one would take somebody off.
  if (statsOf(address.path)?.isSocket() === true) {
    return new UsageError(
      `${place}: another program serves there`,
      `stop that program, or choose another path with ${said} unix:PATH`,
    );
  }
  return new UsageError(
    `${place}: a file is in the way`,
    `remove the file, or choose another with ${said} unix:PATH`,
  );
}

export function closeListeners(listeners: readonly OpenListener[]): void {
  for (const { fds, datagrams } of listeners) {
    for (const fd of fds) closeDescriptor(fd);
    if (datagrams !== null) closeDatagrams(datagrams, false);
  }
}

/** What a worker of this process, which has closed its own, leaves. */
export function closeUnlent(listeners: readonly OpenListener[]): void {
  for (const { datagrams } of listeners) if (datagrams !== null) closeDatagrams(datagrams, true);
}

/** A UNIX socket that nobody listens on any more is only in the way. */
export function removeSocketFiles(listeners: readonly OpenListener[]): void {
  for (const { address } of listeners) if ('path' in address) removeSocketFile(address.path);
}

/**
 * The sockets of one worker, some of which are shared when they are fewer than the workers; and those
 * of the others, for a worker that stands in for them.
 */
export function listenersOf(
  listeners: readonly OpenListener[],
  workerIndex: number,
  workers: number,
): InheritedListener[] {
  return listeners.flatMap(({ fds, wanted: _, datagrams, datagramFault: __, ...options }) => {
    const listener = { ...options, announced: announcedBy(options, datagrams !== null) };
    const count = Math.max(fds.length, workers);
    const all = Array.from({ length: count }, (_, i) => ({
      ...listener,
      fd: fds[i % fds.length]!,
      place: i % workers,
    }));
    const own = all.filter(({ place }) => place === workerIndex);
    const seen = new Set(own.map(({ fd }) => fd));
    const others = all.filter(({ fd }) => !seen.has(fd) && seen.add(fd));
    return [...own, ...others];
  });
}

function announcedBy({ kind, address, http3 }: ListenerOptions, isOpen: boolean): string | null {
  if (kind !== 'https' || 'path' in address) return null;
  return altSvcValue(http3.altSvc, isOpen ? address.port : 0);
}

/** The UDP sockets of one worker. */
export function inheritedDatagrams(
  listeners: readonly OpenListener[],
  workerIndex: number,
  workers: number,
): InheritedDatagrams[] {
  const worker = { index: workerIndex, count: workers };
  return listeners.flatMap(({ datagrams, datagramFault: _, wanted: __, fds: ___, ...listener }) => {
    if (datagrams === null) return [];
    return datagramsFor(datagrams, listener, worker) ?? [];
  });
}

/** `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/sluice.sock`. */
export function socketAddressText(address: SocketAddress): string {
  return 'path' in address ? `unix:${address.path}` : hostAndPort(address.host, address.port);
}
