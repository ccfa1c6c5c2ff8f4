// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
/** Names of fields in the logs of other servers, for those who come from there. */

/** Ours by theirs; '' where sluice has none. */
const NGINX: Readonly<Record<string, string>> = {
  body_bytes_sent: 'bytes',
  bytes_sent: 'bytes',
  connection: '',
  connection_requests: '',
  content_length: 'header:content-length',
  content_type: 'header:content-type',
  host: 'host',
  http_host: 'authority',
  msec: 'time_unix',
  pipe: '',
  proxy_protocol_addr: 'remote',
  query_string: '',
  realip_remote_addr: '',
  remote_addr: 'remote',
  remote_port: 'remote_port',
  remote_user: '',
  request: 'request',
  request_id: 'request_id',
  request_length: 'request_bytes',
  request_method: 'method',
  request_time: 'duration_ms',
  request_uri: 'path',
  scheme: 'scheme',
  server_addr: '',
  server_name: 'host',
  server_port: 'local_port',
  server_protocol: 'version',
  ssl_cipher: 'cipher',
  ssl_curve: 'group',
  ssl_early_data: 'early_data',
  ssl_protocol: 'tls',
  ssl_server_name: 'host',
  ssl_session_reused: 'resumed',
  status: 'status',
  tcpinfo_rcv_space: '',
  tcpinfo_rtt: 'tcp_rtt_ms',
  tcpinfo_rttvar: 'tcp_rttvar_ms',
  tcpinfo_snd_cwnd: 'tcp_cwnd',
  time_iso8601: 'time',
  time_local: 'time_combined',
  upstream_addr: '',
  upstream_cache_status: 'cache',
  upstream_connect_time: '',
  upstream_header_time: 'origin_ms',
  upstream_response_time: 'origin_ms',
  upstream_status: 'origin_status',
  uri: 'path',
};

const HAPROXY: Readonly<Record<string, string>> = {
  B: 'bytes',
  CC: '',
  CS: '',
  H: '',
  HM: 'method',
  HP: 'path',
  HPO: 'path',
  HU: 'path',
  HV: 'version',
  ID: 'request_id',
  ST: 'status',
  T: 'time_combined',
  Ta: 'duration_ms',
  Tc: '',
  Td: 'send_ms',
  Th: 'handshake_ms',
  Tl: 'time_combined',
  Tr: 'origin_ms',
  Ts: 'time_unix',
  Tt: 'duration_ms',
  Tw: '',
  U: 'request_bytes',
  ac: '',
  b: 'route',
  bc: '',
  ci: 'remote',
  cp: 'remote_port',
  f: '',
  fc: '',
  fp: 'local_port',
  ft: '',
  hr: '',
  hs: '',
  r: 'request',
  rc: '',
  s: '',
  si: '',
  sp: '',
  sslc: 'cipher',
  sslv: 'tls',
  t: 'time_combined',
  tr: 'time_combined',
  ts: 'error',
  tsc: 'error',
};

const TRAFFIC_SERVER: Readonly<Record<string, string>> = {
  caun: '',
  cfsc: 'error',
  chi: 'remote',
  chp: 'remote_port',
  cqcl: 'request_bytes',
  cqhl: '',
  cqhm: 'method',
  cqhv: 'version',
  cqpv: 'version',
  cqssc: 'cipher',
  cqssg: 'group',
  cqssr: 'resumed',
  cqssrt: 'resumed',
  cqssv: 'tls',
  cqtd: 'time',
  cqth: '',
  cqtn: 'time_combined',
  cqtq: 'time_unix',
  cqts: 'time_unix',
  cqtt: 'time',
  cqtx: 'request',
  cqtr: '',
  cqu: 'path',
  cquc: 'path',
  cqup: 'path',
  cqus: 'scheme',
  cquuc: 'path',
  crc: 'cache',
  crsc: '',
  pfsc: 'error',
  phi: '',
  phn: '',
  phr: '',
  piid: '',
  pqhl: '',
  pqsi: '',
  pqsn: '',
  pscl: 'bytes',
  psct: 'response_header:content-type',
  pshl: '',
  psql: '',
  pssc: 'status',
  shi: '',
  shn: '',
  sscl: '',
  sshl: '',
  sshv: '',
  sssc: 'origin_status',
  stms: 'origin_ms',
  sts: 'origin_ms',
  ttms: 'duration_ms',
  tts: 'duration_ms',
};

export interface ForeignField {
  readonly server: 'nginx' | 'HAProxy' | 'Traffic Server';
  /** Our name; '' when there is none. */
  readonly ours: string;
}

/** For a name as it is typed: `remote_addr`, `$remote_addr`, `%ci`, `%<chi>`, `{Referer}cqh`. */
export function foreignLogField(typed: string): ForeignField | undefined {
  const name = typed.replace(/^\$\{?|^%<?|[>}]$/g, '');
  for (const [server, table] of [
    ['nginx', NGINX],
    ['Traffic Server', TRAFFIC_SERVER],
    ['HAProxy', HAPROXY],
  ] as const) {
    if (Object.hasOwn(table, name)) return { server, ours: table[name]! };
  }
  const header = /^(sent_http_|upstream_http_|http_|cookie_)(\w+)$/.exec(name);
  if (header !== null) {
    const [, kind = '', rest = ''] = header;
    if (kind === 'cookie_') return { server: 'nginx', ours: `cookie:${rest}` };
    const prefix = kind === 'http_' ? 'header' : 'response_header';
    return { server: 'nginx', ours: named(`${prefix}:${rest.replaceAll('_', '-')}`) };
  }
  const inBraces = /^%?<?\{([\w-]+)\}(cqh|pqh|psh|ssh)>?$/.exec(typed);
  if (inBraces !== null) {
    const prefix = inBraces[2]!.endsWith('qh') ? 'header' : 'response_header';
    const ours = named(`${prefix}:${inBraces[1]!.toLowerCase()}`);
    return { server: 'Traffic Server', ours };
  }
  const sampled = /^%?\[?(?:req|res)\.f?hdr\(([\w-]+)\)/.exec(typed);
  if (sampled === null) return undefined;
  const prefix = typed.includes('req.') ? 'header' : 'response_header';
  return { server: 'HAProxy', ours: named(`${prefix}:${sampled[1]!.toLowerCase()}`) };
}

function named(field: string): string {
  if (field === 'header:referer') return 'referer';
  return field === 'header:user-agent' ? 'user_agent' : field;
}

/** A place of another server in a format: nginx’s, Traffic Server’s, HAProxy’s two. */
const FOREIGN = /\$(?!\{)\w+|%<[^<>]+>|%\[[^\]]+\]|%(?:\{[^{}]*\})?[A-Za-z]{1,4}\b/g;

export interface ForeignFormat {
  readonly server: ForeignField['server'];
  /** The format in our names, with `-` where there is none. */
  readonly text: string;
  readonly without: readonly string[];
}

/** A format in the words of another server; null when nothing in it is one of them. */
export function foreignFormat(format: string): ForeignFormat | null {
  let server: ForeignField['server'] | null = null;
  const without: string[] = [];
  const text = format.replace(FOREIGN, (place) => {
    const found = foreignLogField(place.replace(/^%\{[^{}]*\}(?=[A-Za-z])/, '%'));
    const ofOther = place.startsWith('%') === (found?.server === 'nginx');
    if (found === undefined || ofOther) return place;
    server = found.server;
    if (found.ours !== '') return `\${${found.ours}}`;
    without.push(place);
    return '-';
  });
  return server === null ? null : { server, text, without };
}

/** All of ours that are named here: for a test that each is one. */
export const ownLogFields: ReadonlySet<string> = new Set(
  [NGINX, HAPROXY, TRAFFIC_SERVER].flatMap((table) => Object.values(table)),
);
