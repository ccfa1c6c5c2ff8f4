/** What hosts say of requests without TLS, as routes and edits do it: redirects, and HSTS (RFC 6797). */
import type { ListenerOptions } from '../downstream/options.ts';
import {
  alwaysEdit,
  type EditStep,
  matchEverything,
  noEditCondition,
  plainRoute,
  type RouteOptions,
} from '../routing/route.ts';

export interface TransportPolicy {
  /** As hosts of routes; none for every name. */
  readonly names: readonly string[];
  readonly redirectToHttps: boolean;
  /** The value of Strict-Transport-Security; '' for none. */
  readonly hsts: string;
}

const REDIRECT = 'redirect-to-https';
const HTTPS_PORT = 443;

/** The routes, after a redirect and with the header where policies ask for them. */
export function withTransportPolicies(
  routes: readonly RouteOptions[],
  policies: readonly TransportPolicy[],
  listeners: readonly ListenerOptions[],
): RouteOptions[] {
  const redirects = policies
    .filter(({ redirectToHttps }) => redirectToHttps)
    .map(({ names }, i): RouteOptions => {
      const name = freeName(i === 0 ? REDIRECT : `${REDIRECT}-${i + 1}`, routes);
      const to = `https://\${host}${portText(listeners)}\${target}`;
      return {
        ...plainRoute(name),
        match: { ...matchEverything, scheme: 'http', hosts: names },
        action: { kind: 'redirect', to, status: 308 },
      };
    });
  const headers = policies.filter(({ hsts }) => hsts !== '').map(hstsStep);
  const edited =
    headers.length === 0
      ? routes
      : routes.map((route) => ({
          ...route,
          responseFields: [...headers, ...route.responseFields],
        }));
  return [...redirects, ...edited];
}

/** Only over TLS (RFC 6797 §7.2). What a route edits itself comes after it. */
function hstsStep({ names, hsts }: TransportPolicy): EditStep {
  const match = { ...matchEverything, scheme: 'https', hosts: names } as const;
  return {
    ...alwaysEdit({ set: { 'Strict-Transport-Security': hsts } }),
    when: { ...noEditCondition, match },
  };
}

/** '' for the port that https has by itself, and for one that is known when it listens only. */
function portText(listeners: readonly ListenerOptions[]): string {
  const ports = listeners
    .filter(({ kind, address }) => kind === 'https' && !('path' in address))
    .map(({ address }) => ('path' in address ? 0 : address.port));
  const [port = 0] = ports.includes(HTTPS_PORT) ? [HTTPS_PORT] : ports;
  return port === 0 || port === HTTPS_PORT ? '' : `:${port}`;
}

function freeName(wanted: string, routes: readonly RouteOptions[]): string {
  return routes.some(({ name }) => name === wanted) ? freeName(`${wanted}'`, routes) : wanted;
}
