/** The tunnels of a worker: how many, and which of them nobody uses any more. */
import type { TunnelLimits } from './limits.ts';

export interface WatchedTunnel {
  /** Rises with every byte that moves. */
  readonly progress: number;
  /** Nothing has moved for too long, or the worker ends. */
  breakOff(): void;
}

export class TunnelTable {
  readonly #limits: TunnelLimits;
  readonly #tunnels = new Map<WatchedTunnel, { progress: number; sinceMs: number }>();

  constructor(limits: TunnelLimits) {
    this.#limits = limits;
  }

  get isFull(): boolean {
    return this.#tunnels.size >= this.#limits.tunnelsMax;
  }

  get size(): number {
    return this.#tunnels.size;
  }

  add(tunnel: WatchedTunnel, nowMs: number): void {
    this.#tunnels.set(tunnel, { progress: tunnel.progress, sinceMs: nowMs });
  }

  remove(tunnel: WatchedTunnel): void {
    this.#tunnels.delete(tunnel);
  }

  /** Called now and then. */
  sweep(nowMs: number): void {
    for (const [tunnel, seen] of this.#tunnels) {
      if (tunnel.progress !== seen.progress) {
        seen.progress = tunnel.progress;
        seen.sinceMs = nowMs;
      } else if (nowMs - seen.sinceMs >= this.#limits.tunnelIdleTimeoutMs) {
        tunnel.breakOff();
      }
    }
  }
}
