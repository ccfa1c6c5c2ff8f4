/** Alt-Svc (RFC 7838): how clients of HTTP/1 and HTTP/2 hear that there is HTTP/3. */
import { assert } from '../base/assert.ts';

export interface AltSvcOptions {
  /**
   * `clear`: clients are to forget what they were told earlier, for as long as they may remember it;
   * who only stops to tell them leaves them knocking at a port where nobody listens.
   */
  readonly mode: 'on' | 'off' | 'clear';
  /** The UDP port as clients reach it, behind a forward perhaps; 0 for the port of the listener. */
  readonly publicPort: number;
  /** Seconds for which a client may remember it (`ma`). */
  readonly lifetimeSeconds: number;
}

/** A day, as RFC 7838 §3.1 has it for those who do not say. */
export const ALT_SVC_LIFETIME_SECONDS_DEFAULT = 86_400;

const PORT_MAX = 65_535;

/**
 * The field's value, or null for none. The host is left out: it is the one of the request, so that its
 * certificate is, too (RFC 7838 §2.1). `listenerPort`: the UDP port where this host is served; 0 when
 * it is served on none, as while its worker has no socket.
 */
export function altSvcValue(options: AltSvcOptions, listenerPort: number): string | null {
  const { mode, publicPort, lifetimeSeconds } = options;
  if (mode === 'off') return null;
  if (mode === 'clear') return 'clear';
  if (listenerPort === 0) return null;
  const port = publicPort === 0 ? listenerPort : publicPort;
  assert(port > 0 && port <= PORT_MAX, 'a port');
  assert(Number.isInteger(lifetimeSeconds) && lifetimeSeconds >= 0, 'whole seconds');
  return `h3=":${port}"; ma=${lifetimeSeconds}`;
}
