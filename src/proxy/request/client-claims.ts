/**
 * What requests say of where they come from: `Forwarded`, `X-Forwarded-For` and its many kin. Anybody
 * can write them, so that they are removed, in every spelling, before anything looks at the request;
 * what the origin gets is ours. Those of trusted proxies are believed: who the client is, counted
 * from the right to the first address that is no trusted proxy's, and the scheme that it used.
 *
 * Before that the client's own instructions are carried out, those of Connection (RFC 9110 §7.6.1):
 * what is added later is ours, and no client can name it away.
 */
import { type AddressRange, AddressSet } from '../../base/address-range.ts';
import type { SluiceError } from '../../base/errors.ts';
import { parseAuthority } from '../../http/authority.ts';
import type {
  RequestFacts,
  RequestHandler,
  RequestSink,
  ResponseSender,
  TlsFacts,
} from '../../http/exchange.ts';
import { carryOutConnection } from '../../http/hop-by-hop.ts';
import type { RequestHead } from '../../http/message.ts';
import { ClaimedNames } from '../../routing/claimed-names.ts';
import { type ClientField, type Hop, hopsOf, type ToldClient } from './forwarded-chain.ts';
import { forwardedElement } from './forwarding.ts';

/** What proxies say of their clients, and what nobody else may say. */
export const FORWARDING_CLAIMS: readonly string[] = [
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'cf-visitor',
  'client-ip',
  'cloudfront-forwarded-proto',
  'cloudfront-viewer-address',
  'fastly-client-ip',
  'fastly-ssl',
  'forwarded*',
  'front-end-https',
  'proxy-client-ip',
  'true-client-ip',
  'wl-proxy-client-ip',
  'x-appengine-user-ip',
  'x-arr-ssl',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-envoy-external-address',
  'x-forwarded*',
  'x-host',
  'x-http-host-override',
  'x-original-*',
  'x-originating-ip',
  'x-proxyuser-ip',
  'x-real-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-rewrite-url',
  'x-scheme',
  'x-url-scheme',
];

const claims = new ClaimedNames(FORWARDING_CLAIMS);

/** Whether a field of this name says for whom somebody passes a request on. */
export function isClaim(name: string): boolean {
  return claims.includes(name);
}

export interface TrustedProxies {
  readonly from: readonly AddressRange[];
  /** Which of the two fields all of them write. */
  readonly field: ClientField;
}

/** Answers a request that is refused. */
type TurnAway = (
  error: SluiceError,
  head: RequestHead,
  sender: ResponseSender,
  facts: RequestFacts,
) => RequestHandler;

/** Who answers: `ReverseProxy`. */
interface Proxy extends RequestSink {
  readonly turnAway: TurnAway;
  readonly turnAwayFromOrigin: TurnAway;
}

export class ClientClaims implements Proxy {
  readonly #next: Proxy;
  readonly #field: ClientField;
  readonly #isTrusted: ((address: string) => boolean) | null;

  constructor(next: Proxy, { from, field }: TrustedProxies) {
    this.#next = next;
    this.#field = field;
    const trusted = new AddressSet(from);
    this.#isTrusted = from.length === 0 ? null : (address) => trusted.has(address);
  }

  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    const known = this.#judge(head, facts);
    if (known === null) return this.#next.onRequest(head, sender, facts);
    return this.#next.onRequest(known.head, sender, known.facts);
  }

  readonly turnAway: TurnAway = (error, head, sender, facts) => {
    const known = this.#judge(head, facts) ?? { head, facts };
    return this.#next.turnAway(error, known.head, sender, known.facts);
  };

  readonly turnAwayFromOrigin: TurnAway = (error, head, sender, facts) => {
    const known = this.#judge(head, facts) ?? { head, facts };
    return this.#next.turnAwayFromOrigin(error, known.head, sender, known.facts);
  };

  /** Null for a request of a client's own, whose claims are gone. */
  #judge(head: RequestHead, facts: RequestFacts): Known | null {
    const { fields } = head;
    carryOutConnection(fields);
    const isTrusted = this.#isTrusted;
    if (isTrusted === null || !isTrusted(facts.remoteAddress)) {
      // A PURGE goes no further than here, and is refused for having come through a proxy.
      if (head.method !== 'PURGE') claims.removeFrom(fields);
      return null;
    }
    const told = hopsOf(this.#field, fields, isTrusted);
    return believed(head, facts, told);
  }
}

interface Known {
  readonly head: RequestHead;
  readonly facts: RequestFacts;
}

/** Every field of the chain is written anew, so that nothing is left of what the client has sent. */
function believed(head: RequestHead, facts: RequestFacts, told: ToldClient): Known {
  const { fields } = head;
  const { hops } = told;
  const client = hops[0];
  const scheme = told.scheme === '' ? head.scheme : told.scheme;
  const host = parseAuthority(told.host)?.text ?? '';
  const port = fields.first('x-forwarded-port') ?? '';
  const hadRealIp = fields.has('x-real-ip');
  for (const name of [...fields.names]) if (isUnvouched(name)) fields.remove(name);
  if (client !== undefined) {
    const { address } = client;
    fields.append('x-forwarded-for', hops.map((hop) => hop.address).join(', '));
    fields.append('forwarded', elements(hops, scheme, host === '' ? head.authority.text : host));
    if (hadRealIp) fields.append('x-real-ip', address);
  }
  if (host !== '') fields.append('x-forwarded-host', host);
  if (/^\d{1,5}$/.test(port)) fields.append('x-forwarded-port', port);
  return {
    head: scheme === head.scheme ? head : { ...head, scheme },
    facts: client === undefined ? facts : new ProxiedFacts(facts, client),
  };
}

/** Fields that are written anew; and no proxy writes names with `_`. */
const REWRITTEN = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
]);

function isUnvouched(name: string): boolean {
  return REWRITTEN.has(name) || (name.includes('_') && claims.includes(name));
}

/** The first is the client's, and says what it asked for: many an origin reads only that. */
function elements(hops: readonly Hop[], scheme: string, authority: string): string {
  const [client, ...proxies] = hops;
  const own = forwardedElement(client!.address, authority, scheme);
  return [own, ...proxies.map(({ address }) => forwardedElement(address))].join(', ');
}

/** Facts of a connection that carries another's request. */
class ProxiedFacts implements RequestFacts {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #facts: RequestFacts;

  constructor(facts: RequestFacts, client: Hop) {
    this.#facts = facts;
    this.remoteAddress = client.address;
    this.remotePort = client.port;
  }

  get early(): boolean {
    return this.#facts.early;
  }

  get beganEarly(): boolean {
    return this.#facts.beganEarly;
  }

  whenHandshakeEnds(callback: (complete: boolean) => void): void {
    this.#facts.whenHandshakeEnds(callback);
  }

  get peerAddress(): string {
    return this.#facts.peerAddress;
  }

  get localAddress(): string {
    return this.#facts.localAddress;
  }

  get localPort(): number {
    return this.#facts.localPort;
  }

  get tls(): TlsFacts | null {
    return this.#facts.tls;
  }
}
