/**
 * Listening sockets that are open when sluice starts: a service manager opened them (systemd's
 * LISTEN_FDS), or the sluice that this one takes over from (see upgrade.ts).
 */

import type { SocketAddress } from '../base/socket-address.ts';
import { adoptDescriptor, listeningAddress } from '../native/sockets.ts';
import type { OpenDatagrams } from './datagram-sockets.ts';

/** sd_listen_fds(3): the first descriptor that is passed. */
const LISTEN_FDS_START = 3;
/** By which one sluice tells the next what it passes on: JSON of {@link PassedListener}s. */
export const PASSED_SOCKETS = 'SLUICE_SOCKETS';

export interface PassedListener {
  /** As the options say it, port 0 included. */
  readonly wanted: SocketAddress;
  readonly bound: SocketAddress;
  readonly fds: readonly number[];
  /** The UDP sockets beside it. */
  readonly datagrams?: OpenDatagrams | null;
}

export class InheritedSockets {
  readonly #listeners: PassedListener[];

  constructor(listeners: readonly PassedListener[]) {
    this.#listeners = [...listeners];
  }

  /** Takes the sockets for an address out; null when none was passed for it. */
  take(address: SocketAddress): PassedListener | null {
    const index = this.#listeners.findIndex((one) => isFor(one, address));
    if (index === -1) return null;
    const [found] = this.#listeners.splice(index, 1);
    return found!;
  }

  /** Those that no listener of the options has taken. */
  get rest(): readonly PassedListener[] {
    return this.#listeners;
  }
}

function isFor({ wanted, bound }: PassedListener, address: SocketAddress): boolean {
  return isSame(wanted, address) || isSame(bound, address);
}

function isSame(a: SocketAddress, b: SocketAddress): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path;
  if (a.port !== b.port) return false;
  // `ListenStream=443` is [::]:443 for both families: what 0.0.0.0:443 asks for as well.
  return a.host === b.host || (a.host === '::' && b.host === '0.0.0.0');
}

/** Reads the environment, and takes what it said out of it: no child is to think itself meant. */
export function inheritedSockets(environment: NodeJS.ProcessEnv): InheritedSockets {
  const { LISTEN_FDS, LISTEN_PID, [PASSED_SOCKETS]: passed } = environment;
  for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', PASSED_SOCKETS]) {
    delete environment[name];
  }
  const listeners: PassedListener[] = [];
  if (passed !== undefined) listeners.push(...(JSON.parse(passed) as PassedListener[]));
  // A launcher that was started in our place is our parent.
  const isMeant = [process.pid, process.ppid].some((pid) => String(pid) === LISTEN_PID);
  const count = isMeant ? Number(LISTEN_FDS ?? 0) : 0;
  for (let fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + count; fd++) {
    const bound = listeningAddress(fd);
    listeners.push({ wanted: bound, bound, fds: [fd] });
  }
  for (const { fds, datagrams } of listeners) {
    for (const fd of [...fds, ...(datagrams?.fds ?? [])]) adoptDescriptor(fd);
  }
  return new InheritedSockets(listeners);
}
