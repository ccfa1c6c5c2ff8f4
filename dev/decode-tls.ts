/**
 * Prints the records of a TLS byte stream (RFC 8446 §5.1) on standard input, and what a ClientHello at
 * its beginning says. Encrypted records show their length only.
 */
import { readFileSync } from 'node:fs';
import { alertName } from '../src/tls/alerts.ts';
import { type ClientHello, isGrease, parseClientHello } from '../src/tls/client-hello.ts';

const USAGE = `usage: node_modules/.bin/node dev/decode-tls.ts < STREAM
Prints one line for each record of one direction, and the parts of a ClientHello at the beginning.
`;

const RECORD_HEADER_BYTES = 5;
const RECORD_TYPES: Record<number, string> = {
  20: 'change_cipher_spec',
  21: 'alert',
  22: 'handshake',
  23: 'application_data',
};
/** RFC 8446 §4, Appendix B.3. */
const HANDSHAKE_TYPES: Record<number, string> = {
  1: 'ClientHello',
  2: 'ServerHello',
  4: 'NewSessionTicket',
  5: 'EndOfEarlyData',
  8: 'EncryptedExtensions',
  11: 'Certificate',
  12: 'ServerKeyExchange',
  13: 'CertificateRequest',
  14: 'ServerHelloDone',
  15: 'CertificateVerify',
  16: 'ClientKeyExchange',
  20: 'Finished',
  24: 'KeyUpdate',
};

/** The text for one direction of a connection. */
export function describeTls(stream: Buffer): string {
  const lines: string[] = [];
  let at = 0;
  while (at + RECORD_HEADER_BYTES <= stream.length) {
    const type = stream[at]!;
    if (RECORD_TYPES[type] === undefined || stream[at + 1] !== 3) break;
    const length = stream.readUInt16BE(at + 3);
    const payload = stream.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    const cut = payload.length < length ? `, of which ${payload.length} are here` : '';
    lines.push(`${RECORD_TYPES[type]} ${length} bytes${cut}${detail(type, payload)}`);
    at += RECORD_HEADER_BYTES + payload.length;
  }
  if (at < stream.length) {
    const rest = stream.subarray(at, at + 16).toString('hex');
    lines.push(`no record at byte ${at}: ${rest}${stream.length - at > 16 ? '…' : ''}`);
  }
  const hello = parseClientHello(stream);
  return `${[...lines, ...(hello === null ? [] : helloLines(hello))].join('\n')}\n`;
}

function detail(type: number, payload: Buffer): string {
  // Before encryption only: afterwards a record says application_data, whatever is in it.
  if (type === 22) {
    const name = HANDSHAKE_TYPES[payload[0] ?? -1];
    return name === undefined ? '' : `: ${name}`;
  }
  if (type === 21 && payload.length === 2) {
    return `: ${payload[0] === 2 ? 'fatal' : 'warning'} ${alertName(payload[1]!)}`;
  }
  return '';
}

function helloLines(hello: ClientHello): string[] {
  const hex = (values: readonly number[]) =>
    values.map(
      (value) => `0x${value.toString(16).padStart(4, '0')}${isGrease(value) ? '(GREASE)' : ''}`,
    );
  return [
    `  server_name        ${hello.serverName || '(none)'}`,
    `  alpn               ${hello.protocols.join(' ') || '(none)'}`,
    `  versions           ${hex(hello.supportedVersions).join(' ')}`,
    `  cipher suites      ${hex(hello.cipherSuites).join(' ')}`,
    `  groups             ${hex(hello.supportedGroups).join(' ')}`,
    `  key shares         ${hex(hello.keyShareGroups).join(' ')}`,
    `  early_data         ${hello.offersEarlyData ? 'offered' : 'not offered'}`,
    `  extensions         ${hello.extensions.map(({ type, data }) => `${type}(${data.length})`).join(' ')}`,
  ];
}

if (import.meta.main) {
  const isAsked = process.argv.includes('--help');
  process.stdout.write(isAsked ? USAGE : describeTls(readFileSync(0)));
}
