/**
 * Tells the origin who the client has proved to be: its certificate (RFC 9440) and its subject, in
 * fields of the request. Whoever sends such a field itself only claims something, so it goes first
 * of all, on every connection: before the cache, whose stored responses may vary by it, and before
 * the origin.
 */
import { X509Certificate } from 'node:crypto';
import type { RequestFacts, RequestHandler, ResponseSender } from '../../http/exchange.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import { ClaimedNames } from '../../routing/claimed-names.ts';
import type { ReverseProxy } from '../proxy.ts';

/** Names of fields in lower case; '' for a field that is not sent. */
export interface ClientIdentityFields {
  /** RFC 9440 §2.2: the certificate. */
  readonly certificate: string;
  /** RFC 9440 §2.3: what the client has sent of its issuers. */
  readonly chain: string;
  /** The subject as RFC 4514 writes it, as `CN=alice,O=Example`. */
  readonly subject: string;
}

export const defaultClientIdentityFields: ClientIdentityFields = {
  certificate: 'client-cert',
  chain: 'client-cert-chain',
  subject: '',
};

/** What requests go on to. */
type Proxy = Pick<ReverseProxy, 'onRequest' | 'turnAway' | 'turnAwayFromOrigin'>;

type FieldLine = readonly [name: string, value: string];

/** Names of fields that only sluice may send, whatever host a request is for. */
export function identityClaims(hosts: readonly (ClientIdentityFields | null)[]): string[] {
  return [defaultClientIdentityFields, ...hosts].flatMap((fields) => Object.values(fields ?? {}));
}

export class ClientIdentity implements Proxy {
  readonly #proxy: Proxy;
  /** By host; null for one that does not ask for certificates. */
  readonly #hosts: readonly (ClientIdentityFields | null)[];
  readonly #claims: ClaimedNames;
  readonly #lines = new WeakMap<readonly Uint8Array[], readonly FieldLine[]>();

  constructor(proxy: Proxy, hosts: readonly (ClientIdentityFields | null)[]) {
    this.#proxy = proxy;
    this.#hosts = hosts;
    this.#claims = new ClaimedNames(identityClaims(hosts));
  }

  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    this.#claims.removeFrom(head.fields);
    const { tls } = facts;
    const names = tls === null ? null : this.#hosts[tls.host];
    if (tls !== null && names) {
      const { clientCertificates } = tls;
      if (clientCertificates.length > 0) this.#tell(head.fields, names, clientCertificates);
    }
    return this.#proxy.onRequest(head, sender, facts);
  }

  readonly turnAway: Proxy['turnAway'] = (error, head, sender, facts) => {
    this.#claims.removeFrom(head.fields);
    return this.#proxy.turnAway(error, head, sender, facts);
  };

  readonly turnAwayFromOrigin: Proxy['turnAwayFromOrigin'] = (error, head, sender, facts) => {
    this.#claims.removeFrom(head.fields);
    return this.#proxy.turnAwayFromOrigin(error, head, sender, facts);
  };

  #tell(
    fields: FieldSection,
    names: ClientIdentityFields,
    certificates: readonly Uint8Array[],
  ): void {
    let lines = this.#lines.get(certificates);
    if (lines === undefined) {
      lines = linesFor(names, certificates);
      this.#lines.set(certificates, lines);
    }
    for (const [name, value] of lines) fields.append(name, value);
  }
}

function linesFor(names: ClientIdentityFields, certificates: readonly Uint8Array[]): FieldLine[] {
  const [leaf, ...issuers] = certificates;
  const lines: FieldLine[] = [];
  if (names.certificate !== '') lines.push([names.certificate, byteSequence(leaf!)]);
  if (names.chain !== '' && issuers.length > 0) {
    lines.push([names.chain, issuers.map(byteSequence).join(', ')]);
  }
  if (names.subject !== '') lines.push([names.subject, subjectOf(leaf!)]);
  return lines;
}

/** RFC 8941 §3.3.5. */
function byteSequence(bytes: Uint8Array): string {
  return `:${Buffer.from(bytes).toString('base64')}:`;
}

/** RFC 4514 §2.1: the last relative name first. Node has one to a line, each escaped by §2.4. */
function subjectOf(der: Uint8Array): string {
  const { subject } = new X509Certificate(der);
  // An empty subject is undefined, whatever its type says.
  const names = (subject ?? '').split('\n').reverse().join(',');
  return names.replace(/[^ -~]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}
