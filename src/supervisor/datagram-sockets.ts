/**
 * The UDP sockets beside a listener of https, for HTTP/3. They belong to the supervisor, which keeps all
 * of them for good: one for each worker, in several generations. One generation is read by this sluice.
 * The sluice that takes over reads the next one, so that each finishes its own connections.
 */
import { SluiceError } from '../base/errors.ts';
import { type OnFault, repeated } from '../base/owned.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { isAlive } from '../cache/disk/shared/processes.ts';
import type { InheritedDatagrams, ListenerOptions } from '../downstream/options.ts';
import { openDatagramSocket } from '../native/datagrams/datagram-socket.ts';
import { steerByConnectionId } from '../native/datagrams/reuseport-program.ts';
import { closeDescriptor } from '../native/sockets.ts';

/** Sockets of one port: a byte of a connection ID names one of them, each by at least two values. */
const SHARING_MAX = 128;
/** So many sluices may finish their connections at once, the one that serves among them. */
const GENERATIONS_MAX = 4;
/** How often it is looked whether the sluice before has ended. */
const STEER_POLL_MS = 1_000;

export interface OpenDatagrams {
  /** All that share the port, in the order of their binding: generation by generation. */
  readonly fds: readonly number[];
  /** Sockets of each generation. */
  readonly slots: number;
  /** The generation that this sluice reads. */
  readonly current: number;
  /** Which process reads each generation; 0 for none. */
  readonly readers: readonly number[];
}

/** Why there is no HTTP/3 at this listener though it is on; null when nothing is in the way. */
function http3Obstacle({ address, proxyProtocol, tunnels }: ListenerOptions): string | null {
  if ('path' in address) return 'a UNIX socket has none';
  if (proxyProtocol.accept === 'required') return 'QUIC has no PROXY protocol';
  return tunnels.length > 0 ? 'TLS is passed through there' : null;
}

export function wantsDatagrams(listener: ListenerOptions): boolean {
  return listener.kind === 'https' && listener.http3.isOn && http3Obstacle(listener) === null;
}

/** Throws SluiceError when the port cannot be had; then nothing stays open. */
export function openDatagrams(address: SocketAddress, workers: number): OpenDatagrams {
  const generations = Math.min(GENERATIONS_MAX, Math.floor(SHARING_MAX / workers));
  if (generations === 0) {
    const why = `more than ${SHARING_MAX} workers cannot share a UDP port`;
    throw new SluiceError('listen-failed', why, { blame: 'internal' });
  }
  closeDescriptor(openDatagramSocket(address));
  const fds: number[] = [];
  try {
    while (fds.length < workers * generations) {
      fds.push(openDatagramSocket(address, { reusePort: true }));
    }
    const readers = Array.from({ length: generations }, (_, i) => (i === 0 ? process.pid : 0));
    const open = { fds, slots: workers, current: 0, readers };
    steer(open);
    return open;
  } catch (error) {
    for (const fd of fds) closeDescriptor(fd);
    throw error;
  }
}

/** What another sluice has passed on: the next generation is ours. */
export function adoptDatagrams(passed: OpenDatagrams): OpenDatagrams {
  const current = (passed.current + 1) % passed.readers.length;
  return { ...passed, current, readers: passed.readers.with(current, process.pid) };
}

function steer({ fds, slots, current, readers }: OpenDatagrams): void {
  const generations = readers.length;
  const others = readers.flatMap((pid, i) => (i !== current && isAlive(pid) ? i : []));
  steerByConnectionId(fds[0]!, { slots, generations, current, others });
}

/** Those of our generation. */
export function datagramsRead({ fds, slots, current }: OpenDatagrams): readonly number[] {
  return fds.slice(current * slots, (current + 1) * slots);
}

/** Those that a worker reads; null for none. */
export function datagramsFor(
  open: OpenDatagrams,
  listener: ListenerOptions,
  worker: { readonly index: number; readonly count: number },
): InheritedDatagrams | null {
  const { fds, slots, current } = open;
  const sockets = datagramsRead(open).flatMap((fd, slot) =>
    slot % worker.count === worker.index ? { fd, index: current * slots + slot } : [],
  );
  // After an upgrade there may be more workers than sockets: the others serve TCP alone.
  return sockets.length === 0 ? null : { listener, sharing: fds.length, sockets };
}

/** Of this process; `areLent`: a worker of this process has those of its generation. */
export function closeDatagrams(open: OpenDatagrams, areLent: boolean): void {
  const lent = areLent ? datagramsRead(open) : [];
  for (const fd of open.fds) if (!lent.includes(fd)) closeDescriptor(fd);
}

/** Leads new connections to this sluice, and those of a former one there as long as it lives. */
export class DatagramSteering implements Disposable {
  readonly #open: () => readonly OpenDatagrams[];
  #polling: Disposable | null = null;
  readonly #onFault: OnFault;

  constructor(open: () => readonly OpenDatagrams[], onFault: OnFault) {
    this.#open = open;
    this.#onFault = onFault;
  }

  /** This sluice serves. */
  take(): void {
    for (const one of this.#open()) steer(one);
    if (!this.#open().some(hasFormer)) this[Symbol.dispose]();
    else this.#polling ??= repeated(STEER_POLL_MS, () => this.take(), this.#onFault);
  }

  /** Another sluice is about to take over. */
  [Symbol.dispose](): void {
    this.#polling?.[Symbol.dispose]();
    this.#polling = null;
  }
}

function hasFormer({ readers, current }: OpenDatagrams): boolean {
  return readers.some((pid, i) => i !== current && isAlive(pid));
}
