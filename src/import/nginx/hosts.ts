/** Listeners, certificates and TLS settings of servers. */
import { resolve } from 'node:path';
import { Draft } from '../draft.ts';
import { rangeOf } from './access.ts';
import { type Directive, optionIn } from './parser.ts';
import type { Scope } from './scope.ts';
import { defaultServer, type NginxServer, schemesOf } from './servers.ts';
import type { NginxState } from './state.ts';

export function importListeners(
  servers: readonly NginxServer[],
  scope: Scope,
  state: NginxState,
): Draft[] {
  const drafts = new Map<string, Draft>();
  const listens = servers.flatMap((server) => server.listens);
  for (const listen of listens) {
    const { directive, address, port, words, isTls } = listen;
    if (directive !== null) state.report.imported(directive);
    if (words.includes('quic')) {
      if (directive !== null)
        state.report.leftOut(directive, {
          reason: 'no QUIC by this importer',
          remedy: 'clients use HTTP/2 over TCP',
        });
      continue;
    }
    // The socket of all IPv6 addresses takes IPv4, too.
    const both = `[::]:${port}`;
    const isCovered =
      address === `0.0.0.0:${port}` && listens.some((other) => other.address === both);
    const key = isCovered ? both : address;
    const places = directive === null ? [] : [directive];
    const draft =
      drafts.get(key) ??
      new Draft().set('address', key, ...places).set('protocol', isTls ? 'https' : 'http');
    drafts.set(key, draft);
    const open = optionIn({ args: words }, 'fastopen');
    if (open !== undefined) draft.set('fast-open', Number(open), ...places);
    if (words.includes('proxy_protocol') && directive !== null)
      proxyProtocol(draft, directive, scope, state);
  }
  return [...drafts.values()];
}

/** Who may name the client is said by `set_real_ip_from`. */
function proxyProtocol(draft: Draft, listen: Directive, scope: Scope, state: NginxState): void {
  const from = scope
    .all('set_real_ip_from')
    .map(({ args }) => rangeOf(args[0] ?? ''))
    .filter((range) => range !== null);
  if (from.length === 0) {
    const remedy =
      'listeners: proxy-protocol: {accept: required, from: [the balancers]}; until then no client can connect';
    state.report.leftOut(listen, {
      reason: 'nothing says which balancers may send the header',
      remedy,
      decides: true,
    });
    draft.set('proxy-protocol', Draft.of({ accept: 'required', from: ['127.0.0.1'] }), listen);
    return;
  }
  draft.set('proxy-protocol', Draft.of({ accept: 'required', from }), listen);
}

/** The default server comes first, as ours does. What has no certificate here is in `closed`. */
export function importHosts(
  servers: readonly NginxServer[],
  state: NginxState,
  closed: Map<NginxServer, string>,
): Draft[] {
  const own = servers.filter((server) => schemesOf(server).includes('https'));
  if (own.length === 0) return [];
  const first = defaultServer(servers, 'https');
  const drafts: Draft[] = [];
  for (const server of [first, ...own.filter((one) => one !== first)]) {
    const draft = hostOf(server, state);
    if (draft !== null) drafts.push(draft);
    else closed.set(server, 'its certificate, and what it asks of clients, could not be imported');
  }
  return drafts;
}

function hostOf({ scope, names, directive }: NginxServer, state: NginxState): Draft | null {
  const { report } = state;
  const certificates = scope.all('ssl_certificate');
  const keys = scope.all('ssl_certificate_key');
  const reject = scope.last('ssl_reject_handshake');
  if (reject?.args[0] === 'on') {
    const remedy =
      'none is needed if it was for unknown names only: they get the first certificate, and 421 or the first route for them';
    report.leftOut(reject, { reason: 'handshakes are not refused by name', remedy, decides: true });
  }
  const host = new Draft();
  if (names.length > 0) host.set('names', [...names], ...scope.own('server_name'));
  const list: Draft[] = [];
  for (const [i, certificate] of certificates.entries()) {
    const key = keys[i];
    const files = [certificate.args[0] ?? '', key?.args[0] ?? ''];
    if (
      key === undefined ||
      files.some((file) => file.includes('$') || /^(?:data|engine|store):/.test(file))
    ) {
      report.leftOut(certificate, {
        reason: 'no file of its own',
        remedy: 'hosts: certificates: FILE, or acme',
        decides: true,
      });
      continue;
    }
    const [cert, privateKey] = files.map((file) => resolve(state.directory, file));
    list.push(new Draft().set('cert', cert!, certificate).set('key', privateKey!, key));
    report.imported(certificate, key);
  }
  if (list.length === 0) {
    if (reject?.args[0] !== 'on') {
      const remedy = 'hosts: certificates: the files, or acme';
      report.leftOut(directive, { reason: 'it has no certificate', remedy, decides: true });
    }
    return null;
  }
  host.set('certificates', list);
  const tls = tlsOf(scope, state);
  if (tls.size > 0) host.set('tls', tls);
  const early = scope.last('ssl_early_data');
  if (early !== undefined) report.imported(early);
  if (early?.args[0] !== 'on')
    host.set('early-data', false, ...(early === undefined ? [] : [early]));
  return host;
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'];

function tlsOf(scope: Scope, state: NginxState): Draft {
  const { report } = state;
  const tls = new Draft();
  const protocols = scope.last('ssl_protocols');
  if (protocols !== undefined) {
    const known = VERSIONS.filter((version) => protocols.args.includes(version));
    const old = protocols.args.filter((version) => !VERSIONS.includes(version));
    if (known.length === 1) {
      tls.set(known[0] === 'TLSv1.3' ? 'min-version' : 'max-version', known[0]!, protocols);
    }
    if (old.length === 0) report.imported(protocols);
    else
      report.partly(protocols, {
        reason: `${old.join(', ')} is not spoken`,
        remedy: 'none (RFC 8996)',
      });
  }
  const ciphers = scope.last('ssl_ciphers');
  if (ciphers !== undefined) {
    tls.set('ciphers', ciphers.args[0] ?? '', ciphers);
    report.imported(ciphers);
  }
  const curves = scope.last('ssl_ecdh_curve');
  if (curves !== undefined) {
    if (curves.args[0] !== 'auto') tls.set('groups', curves.args[0] ?? '', curves);
    report.imported(curves);
  }
  const client = clientCertificates(scope, state);
  if (client !== null) tls.set('client-certificates', client);
  return tls;
}

function clientCertificates(scope: Scope, state: NginxState): Draft | null {
  const { report } = state;
  const verify = scope.last('ssl_verify_client');
  const ca = scope.last('ssl_client_certificate') ?? scope.last('ssl_trusted_certificate');
  const crl = scope.last('ssl_crl');
  if (crl !== undefined) {
    report.leftOut(crl, {
      reason: 'lists of revoked certificates are not read',
      remedy: 'let the origin look at Client-Cert',
      decides: true,
    });
  }
  for (const name of ['ssl_client_certificate', 'ssl_trusted_certificate', 'ssl_verify_depth']) {
    const directive = scope.last(name);
    if (directive === undefined || directive === ca) continue;
    report.needless(directive, 'nothing is verified by it');
  }
  if (verify === undefined || verify.args[0] === 'off') {
    if (verify !== undefined) report.needless(verify, 'clients are not asked');
    if (ca !== undefined) report.needless(ca, 'clients are not asked');
    return null;
  }
  const draft = new Draft();
  if (verify.args[0] === 'optional_no_ca') {
    report.leftOut(verify, {
      reason: 'certificates without a known issuer are refused',
      remedy: 'client-certificates: {mode: optional, ca: FILE}',
      decides: true,
    });
    return null;
  }
  draft.set('mode', verify.args[0] === 'on' ? 'required' : 'optional', verify);
  if (ca !== undefined) draft.set('ca', resolve(state.directory, ca.args[0] ?? ''), ca);
  report.imported(verify, ...(ca === undefined ? [] : [ca]));
  return draft;
}
