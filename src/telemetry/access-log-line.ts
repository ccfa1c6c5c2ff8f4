/**
 * One line of the access log from one exchange, in either format. What a peer sent is escaped, so
 * that no request can forge a line, a field, or a terminal's control sequence.
 */
import type { TcpFigure } from '../base/tcp-figures.ts';
import type { ExchangeSummary } from './exchange-summary.ts';
import { type AccessLogField, namedLogField } from './named-log-fields.ts';

/** `combined`, `json`, or text with the names of fields in it, as `${status}`. */
export type AccessLogFormat = string;

type Value = AccessLogField['value'];

function field(
  name: string,
  combined: AccessLogField['combined'],
  doc: string,
  value: Value,
): AccessLogField {
  return { name, doc, combined, value };
}

/** Read from the kernel when a line names it, and only then. */
function tcpField(name: string, doc: string, figure: TcpFigure): AccessLogField {
  // The kernel counts time in microseconds.
  const unit = name.endsWith('_ms') ? 1000 : 1;
  return field(name, 'asked', doc, ({ connection }) => {
    const value = connection?.tcpFigure?.(figure) ?? -1;
    return value < 0 ? null : value / unit;
  });
}

const text = (value: string) => (value === '' ? null : value);
const milliseconds = (value: number) => (value < 0 ? null : Math.round(value * 1000) / 1000);

/** Every field of the log, in the order of the JSON keys. */
export const accessLogFields: readonly AccessLogField[] = [
  field('time', 'classic', "when the request's first byte came, UTC with milliseconds", (s) =>
    new Date(s.startedAtMs).toISOString(),
  ),
  field('remote', 'classic', "the client's address, or `unix`", (s) => text(s.remoteAddress)),
  field('remote_port', 'no', "the client's port", (s) => s.remotePort),
  field('local_port', 'no', 'the port that the client connected to', (s) => s.localPort),
  field('method', 'classic', 'request method', (s) => text(s.method)),
  field('scheme', 'no', '`http` or `https`', (s) => text(s.scheme)),
  field('authority', 'added', 'host and port that were asked for', (s) => text(s.authority)),
  field('path', 'classic', 'path and query', (s) => text(s.path)),
  field('version', 'classic', 'HTTP version: `1.0`, `1.1`, `2`', (s) => text(s.version)),
  field('status', 'classic', 'status code sent; 0 when no response was', (s) => s.status),
  field('bytes', 'classic', 'bytes of response bodies sent', (s) => s.responseBytes),
  field('request_bytes', 'no', 'bytes of request bodies received', (s) => s.requestBytes),
  field('duration_ms', 'added', "milliseconds from the request's first byte to the end", (s) =>
    milliseconds(s.durationMs),
  ),
  field('ttfb_ms', 'added', "milliseconds from there to the response's first byte", (s) =>
    milliseconds(s.firstByteMs),
  ),
  field(
    'cache',
    'added',
    '`hit`, `stale`, `revalidated`, `collapsed`, `miss`, `bypass`, `none`',
    (s) => s.cache,
  ),
  field(
    'early_data',
    'added',
    '0; 1: the request began in early data; `answered-early`: and so did its response',
    (s) => (s.earlyData === 'no' ? 0 : s.earlyData === 'early' ? 1 : s.earlyData),
  ),
  field('tls', 'added', 'TLS version', (s) => text(s.tls?.version ?? '')),
  field('cipher', 'added', 'TLS cipher suite', (s) => text(s.tls?.cipher ?? '')),
  field('group', 'added', 'key exchange group', (s) => text(s.tls?.group ?? '')),
  field('resumed', 'added', 'the TLS session was resumed', (s) => s.tls?.resumed ?? null),
  field('handshake_ms', 'added', "milliseconds that the connection's handshake took", (s) =>
    milliseconds(s.tls?.handshakeMs ?? -1),
  ),
  field('origin_status', 'added', 'status code from the origin', (s) => s.originStatus || null),
  field('origin_ms', 'added', "milliseconds to the origin's response head", (s) =>
    milliseconds(s.originMs),
  ),
  field('error', 'added', 'code of the error that ended the exchange', (s) => text(s.errorCode)),
  field('route', 'no', 'name of the route that it took, as `routes[3]` for one without', (s) =>
    text(s.route),
  ),
  field('request_id', 'added', 'names the exchange across logs', (s) => text(s.requestId)),
  field('referer', 'classic', 'Referer field', (s) => text(s.referer)),
  field('user_agent', 'classic', 'User-Agent field', (s) => text(s.userAgent)),
  field('send_ms', 'asked', "milliseconds from the response's first byte to the end", (s) =>
    s.firstByteMs < 0 ? null : milliseconds(s.durationMs - s.firstByteMs),
  ),
  tcpField('tcp_rtt_ms', "the client's round trip time, smoothed, as the kernel has it", 'rtt'),
  tcpField('tcp_rttvar_ms', 'how much that varies', 'rttvar'),
  tcpField('tcp_min_rtt_ms', 'the least round trip time that it has seen lately', 'min-rtt'),
  tcpField('tcp_retransmits', 'segments that were sent again on the connection', 'retransmits'),
  tcpField('tcp_cwnd', 'the congestion window, in segments', 'cwnd'),
  tcpField('tcp_mss', 'bytes in a segment to the client', 'mss'),
  tcpField('tcp_delivery_rate', 'bytes a second that reached the client lately', 'delivery-rate'),
  field('time_combined', 'asked', 'the time as `combined` has it', (s) =>
    combinedTime(s.startedAtMs),
  ),
  field('time_unix', 'asked', 'seconds since 1970, with milliseconds', (s) => s.startedAtMs / 1000),
  field('host', 'asked', 'host that was asked for, in lower case and without port', (s) =>
    text(s.host),
  ),
  field('request', 'asked', 'method, path and version as `combined` has them', (s) =>
    text(requestLine(s)),
  ),
];

/** With those that name a header or a cookie. */
export function logFieldNamed(name: string): AccessLogField | undefined {
  return accessLogFields.find((one) => one.name === name) ?? namedLogField(name);
}

const addedFields = accessLogFields.filter((field) => field.combined === 'added');

/** The line, with its line feed. */
export function accessLogLine(format: AccessLogFormat, summary: ExchangeSummary): string {
  return lineMaker(format, [])(summary);
}

export type LineMaker = (summary: ExchangeSummary) => string;

/** `names`: the fields of a JSON line, in their order; none for all. */
export function lineMaker(format: AccessLogFormat, names: readonly string[]): LineMaker {
  if (format === 'combined') return combinedLine;
  if (format !== 'json') return formattedLine(format);
  const fields =
    names.length === 0
      ? accessLogFields.filter(({ combined }) => combined !== 'asked')
      : names.flatMap((name) => logFieldNamed(name) ?? []);
  return (summary) => jsonLine(fields, summary);
}

const PLACE = /\$\{([^{}]*)\}/;

/** Names of fields in a format string. */
export function namesInFormat(format: string): string[] {
  return format.split(PLACE).filter((_, i) => i % 2 === 1);
}

function formattedLine(format: string): LineMaker {
  // Text and names take turns.
  const parts = format.split(PLACE);
  const values = parts.map((name) => logFieldNamed(name)?.value);
  return (summary) => {
    let line = parts[0]!;
    for (let i = 1; i < parts.length; i += 2) {
      const value = values[i]?.(summary) ?? null;
      const shown = typeof value === 'string' ? quoted(value) : Number(value);
      line += `${value === null ? '-' : shown}${parts[i + 1]!}`;
    }
    return `${line}\n`;
  };
}

function jsonLine(fields: readonly AccessLogField[], summary: ExchangeSummary): string {
  let line = '{';
  for (const { name, value } of fields) {
    line += `${line === '{' ? '' : ','}"${name}":${jsonValue(value(summary))}`;
  }
  return `${line}}\n`;
}

function jsonValue(value: ReturnType<Value>): string {
  if (typeof value !== 'string') return String(value);
  if (!/[^\x20-\x7e]|["\\]/.test(value)) return `"${value}"`;
  // Field values are byte strings: DEL and the C1 controls would reach a terminal as they are.
  return JSON.stringify(value).replace(/[\x7f-\x9f]/g, (c) => `\\u00${hex(c)}`);
}

function combinedLine(s: ExchangeSummary): string {
  const request = quoted(requestLine(s)) || '-';
  let line =
    `${s.remoteAddress || '-'} - - [${combinedTime(s.startedAtMs)}] "${request}" ${s.status} ` +
    `${s.responseBytes} "${quoted(s.referer) || '-'}" "${quoted(s.userAgent) || '-'}"`;
  for (const { name, value } of addedFields) {
    const shown = value(s);
    if (shown === null) continue;
    line += ` ${name}=${typeof shown === 'string' ? bare(shown) : Number(shown)}`;
  }
  return `${line}\n`;
}

function requestLine({ method, path, authority, version }: ExchangeSummary): string {
  return method === '' ? '' : `${method} ${path === '' ? authority : path} HTTP/${version || '?'}`;
}

const hex = (c: string) => c.charCodeAt(0).toString(16).padStart(2, '0');

function quoted(value: string): string {
  return /[^\x20-\x7e]|["\\]/.test(value)
    ? value.replace(/[^\x20-\x7e]|["\\]/g, (c) => `\\x${hex(c)}`)
    : value;
}

/** As {@link quoted}, and a space would end the value. */
function bare(value: string): string {
  return quoted(value).replaceAll(' ', '\\x20');
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'].concat([
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
]);

let timeSecond = -1;
let timeText = '';

/** `10/Oct/2000:13:55:36 +0000`, made once a second. */
function combinedTime(wallMs: number): string {
  const second = Math.floor(wallMs / 1000);
  if (second !== timeSecond) {
    const iso = new Date(second * 1000).toISOString();
    const month = MONTHS[Number(iso.slice(5, 7)) - 1]!;
    timeText = `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
    timeSecond = second;
  }
  return timeText;
}
