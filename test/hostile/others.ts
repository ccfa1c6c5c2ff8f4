/** What hostile peers send below HTTP (TLS, PROXY protocol), to the admin endpoint, and as an origin. */

import { hex } from '../http2/wire.ts';
import { extension, helloMessage, inRecords, vector } from '../support/client-hello.ts';
import type { HostileInput } from './requests.ts';

function inputs(kind: string, table: Readonly<Record<string, string | Buffer>>): HostileInput[] {
  return Object.entries(table).map(([name, text]) => ({
    name: `${kind}: ${name}`,
    bytes: typeof text === 'string' ? Buffer.from(text, 'latin1') : text,
  }));
}

/** Names that a server_name extension may hold without being one (RFC 6066 §3). */
const serverNames: readonly string[] = [
  'open.example',
  '',
  '.',
  'open.example.',
  'open_.example',
  'a\r\nX-Injected: yes',
  'a\u00c4\u008d\u00c4\u008aX-Injected: yes',
  'x\x1b]0;PWNED\x07\x1b[31mred',
  'a b',
  '%6fpen.example',
  '127.0.0.1',
  '::1',
  'secret.example:443',
  '*.secret.example',
  '../../etc/passwd',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the configuration
  '${server-name}',
  'a'.repeat(64),
  `${'a.'.repeat(125)}a`,
  'a'.repeat(255),
  'b'.repeat(9_000),
];

const tls13 = [
  extension.versions(0x0304),
  extension.groups(0x001d),
  extension.schemes(0x0403),
  extension.keyShares(0x001d),
] as const;
const hello = (...extensions: readonly (readonly [type: number, data: Buffer])[]) =>
  helloMessage({ cipherSuites: [0x1301, 0x1302, 0x1303], extensions });

export const tlsInputs: readonly HostileInput[] = [
  ...serverNames.map((name) => ({
    name: `server_name: ${JSON.stringify(name).slice(0, 50)} (${name.length})`,
    bytes: inRecords(hello(extension.serverName(name), ...tls13)),
  })),
  ...[1, 2, 3, 4, 5, 16, 100].map((size) => ({
    name: `a ClientHello in records of ${size} bytes`,
    bytes: inRecords(hello(extension.serverName('open.example'), ...tls13), size),
  })),
  ...inputs('records', {
    'HTTP on the TLS port': 'GET /smuggled HTTP/1.1\r\nHost: open.example\r\n\r\n',
    'SSH on the TLS port': 'SSH-2.0-OpenSSH_9.2\r\n',
    'an SSLv2 hello': hex('802e0100020015000000100100800300800700c0'),
    'an empty record': hex('1603010000'),
    'a thousand empty records': Buffer.concat(
      Array.from({ length: 1_000 }, () => hex('1603010000')),
    ),
    'a record of 65,535 bytes': Buffer.concat([hex('160301ffff'), Buffer.alloc(65_535, 1)]),
    'an alert first': hex('15030100020228'),
    'a thousand warnings': Buffer.concat(
      Array.from({ length: 1_000 }, () => hex('15030100020100')),
    ),
    'application data first': Buffer.concat([hex('1703030010'), Buffer.alloc(16)]),
    'change_cipher_spec without end': Buffer.concat(
      Array.from({ length: 2_000 }, () => hex('140303000101')),
    ),
    'a heartbeat': hex('180302000301ffff'),
    'a handshake of 16 MiB announced': hex('160301000401ffffff'),
    'a Finished first': Buffer.concat([hex('1603030028'), hex('14000024'), Buffer.alloc(36)]),
    'half a hello': inRecords(hello(...tls13)).subarray(0, 40),
    zeros: Buffer.alloc(5_000),
    ones: Buffer.alloc(5_000, 0xff),
  }),
  ...inputs('extensions', {
    none: inRecords(helloMessage({})),
    'the same one twice': inRecords(
      hello(extension.serverName('a.example'), extension.serverName('secret.example'), ...tls13),
    ),
    '2,000 unknown ones': inRecords(
      hello(...tls13, ...Array.from({ length: 2_000 }, (_, i) => extension.empty(1_000 + i))),
    ),
    'an empty list of names': inRecords(hello([0, vector(2)], ...tls13)),
    'two names': inRecords(
      hello(
        [
          0,
          vector(
            2,
            Buffer.of(0),
            vector(2, Buffer.from('open.example')),
            Buffer.of(0),
            vector(2, Buffer.from('secret.example')),
          ),
        ],
        ...tls13,
      ),
    ),
    'a name of an unknown type': inRecords(
      hello([0, vector(2, Buffer.of(7), vector(2, Buffer.from('open.example')))], ...tls13),
    ),
    'an ALPN of nothing': inRecords(hello(extension.alpn(), ...tls13)),
    'an ALPN of an empty name': inRecords(hello(extension.alpn(''), ...tls13)),
    'an ALPN of control characters': inRecords(hello(extension.alpn('\x1b[31m', '\r\n'), ...tls13)),
    'a thousand ALPN names': inRecords(
      hello(extension.alpn(...Array.from({ length: 1_000 }, (_, i) => `p${i}`)), ...tls13),
    ),
    'early data without a ticket': inRecords(hello(...tls13, extension.empty(42))),
    'a ticket of zeros': inRecords(
      hello(
        ...tls13,
        [45, Buffer.of(1, 1)],
        [
          41,
          Buffer.concat([
            vector(2, vector(2, Buffer.alloc(32)), Buffer.alloc(4)),
            vector(2, vector(1, Buffer.alloc(32))),
          ]),
        ],
      ),
    ),
    'a ticket of 40,000 bytes': inRecords(
      hello(
        ...tls13,
        [45, Buffer.of(1, 1)],
        [
          41,
          Buffer.concat([
            vector(2, vector(2, Buffer.alloc(40_000)), Buffer.alloc(4)),
            vector(2, vector(1, Buffer.alloc(32))),
          ]),
        ],
      ),
    ),
    'a key share of zeros': inRecords(
      hello(extension.versions(0x0304), extension.groups(0x001d), extension.schemes(0x0403), [
        51,
        vector(2, hex('001d'), vector(2, Buffer.alloc(32))),
      ]),
    ),
    'a HelloRetryRequest wanted': inRecords(
      hello(
        extension.versions(0x0304),
        extension.groups(0x0100, 0x001e, 0x001d),
        extension.schemes(0x0403),
        extension.keyShares(0x0100),
      ),
    ),
    'no group in common': inRecords(
      hello(
        extension.versions(0x0304),
        extension.groups(0x9999),
        extension.schemes(0x0403),
        extension.keyShares(0x9999),
      ),
    ),
    'only GREASE': inRecords(
      hello(
        extension.versions(0x0a0a),
        extension.groups(0x0a0a),
        extension.schemes(0x0a0a),
        extension.keyShares(0x0a0a),
      ),
    ),
    'TLS 1.0 only': inRecords(
      helloMessage({ legacyVersion: 0x0301, cipherSuites: [0x002f], extensions: [] }),
    ),
  }),
];

const v2 = (command: number, family: number, payload: Buffer) => {
  const head = hex('0d0a0d0a000d0a515549540a');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(payload.length);
  return Buffer.concat([head, Buffer.of(command, family), length, payload]);
};
const tcp4 = hex('01020304 05060708 0001 0002');
const request = 'GET /x HTTP/1.1\r\nHost: open.example\r\n\r\n';

export const proxyInputs: readonly HostileInput[] = inputs('PROXY', {
  'no header': request,
  'version 1': `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${request}`,
  'version 1, UNKNOWN': `PROXY UNKNOWN\r\n${request}`,
  'version 1, a name for an address': `PROXY TCP4 secret.example 5.6.7.8 1 2\r\n${request}`,
  'version 1, an octal address': `PROXY TCP4 0127.0.0.1 5.6.7.8 1 2\r\n${request}`,
  'version 1, a port out of range': `PROXY TCP4 1.2.3.4 5.6.7.8 99999 2\r\n${request}`,
  'version 1, IPv6 in TCP4': `PROXY TCP4 ::1 ::1 1 2\r\n${request}`,
  'version 1, a zone': `PROXY TCP6 fe80::1%lo ::1 1 2\r\n${request}`,
  'version 1, too many blanks': `PROXY  TCP4  1.2.3.4  5.6.7.8  1  2\r\n${request}`,
  'version 1, a bare LF': `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n${request}`,
  'version 1, without end': `PROXY TCP4 ${'1'.repeat(5_000)}`,
  'version 1, twice': `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nPROXY TCP4 9.9.9.9 5.6.7.8 1 2\r\n${request}`,
  'version 1, control characters': `PROXY TCP4 \x1b[31m 5.6.7.8 1 2\r\n${request}`,
  'version 2': Buffer.concat([v2(0x21, 0x11, tcp4), Buffer.from(request)]),
  'version 2, LOCAL': Buffer.concat([v2(0x20, 0, Buffer.alloc(0)), Buffer.from(request)]),
  'version 3': Buffer.concat([v2(0x31, 0x11, tcp4), Buffer.from(request)]),
  'version 2, an unknown command': Buffer.concat([v2(0x2f, 0x11, tcp4), Buffer.from(request)]),
  'version 2, addresses too short': Buffer.concat([
    v2(0x21, 0x11, tcp4.subarray(0, 5)),
    Buffer.from(request),
  ]),
  'version 2, an unknown family': Buffer.concat([v2(0x21, 0xff, tcp4), Buffer.from(request)]),
  'version 2, 65,535 bytes of TLVs': Buffer.concat([
    v2(0x21, 0x11, Buffer.concat([tcp4, Buffer.alloc(65_523, 4)])),
    Buffer.from(request),
  ]),
  'version 2, a TLV beyond its end': Buffer.concat([
    v2(0x21, 0x11, Buffer.concat([tcp4, hex('02ffff61')])),
    Buffer.from(request),
  ]),
  'version 2, an authority with CR LF': Buffer.concat([
    v2(0x21, 0x11, Buffer.concat([tcp4, hex('020011'), Buffer.from('a\r\nX-Injected: yes')])),
    Buffer.from(request),
  ]),
  'version 2, cut': v2(0x21, 0x11, tcp4).subarray(0, 14),
  'TLS without a header': inRecords(hello(...tls13)),
});

/** What a web page, a port scanner or a neighbour may ask the admin endpoint. */
export const adminInputs: readonly HostileInput[] = [
  ...[
    '//',
    '///',
    '//[',
    'http://[',
    '/\\\\',
    '//x:y/',
    'http:///',
    '//%',
    'http://%zz/',
    'http://[::1',
    '*',
    '/%',
    '/%zz',
    '/..%2f..%2fetc/passwd',
    '/../../etc/passwd',
    '/stats%00',
    '/incidents/../../etc/passwd',
    '/incidents/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    `/${'a/'.repeat(5_000)}`,
    '/stats?'.padEnd(8_000, '&a=b'),
    '/__proto__',
    '/constructor',
    '/toString',
    '?',
    '#',
    ':',
    ';',
  ].map((target) => ({
    name: `admin target: ${target.slice(0, 40)}`,
    bytes: Buffer.from(
      `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`,
      'latin1',
    ),
  })),
  ...[
    'null',
    '[]',
    '""',
    '0',
    'true',
    '{}',
    '{',
    '{"__proto__":{"x":1}}',
    '[[[[',
    `${'['.repeat(20_000)}`,
    '{"a":'.repeat(5_000),
    '{"url":null}',
    '{"url":{}}',
    '{"url":[]}',
    '{"url":"http://[::1"}',
    '{"url":"//"}',
    '{"disable":{}}',
    '{"canaryMs":-1}',
    '{"canaryMs":1e999}',
    '{"canaryMs":"1"}',
    '{"level":5}',
    '{"levels":null}',
    '\u0000',
    '\ufeff{}',
    'a=b',
  ].flatMap((body) =>
    [
      '/purge',
      '/reload',
      '/log/levels',
      '/features',
      '/origins',
      '/cache/purge',
      '/stop',
      '/nothing',
    ].map((target) => ({
      name: `admin POST ${target}: ${body.slice(0, 30)}`,
      bytes: Buffer.from(
        `POST ${target} HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      ),
    })),
  ),
  ...inputs('admin', {
    'no HTTP': '\x16\x03\x01\x02\x00',
    'a foreign Host': 'GET /stats HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    'a foreign Origin':
      'POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
    'a form':
      'POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b',
    'OPTIONS *': 'OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
    CONNECT: 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'an upgrade':
      'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'a body that never comes':
      'POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{',
    'a body beyond the limit': `POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n${' '.repeat(200_000)}`,
    'a Bearer of control characters':
      'GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \x7f\x80\xff\r\nConnection: close\r\n\r\n',
  }),
];

const head = 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n';

/** By the path that is asked for: what a hostile origin says. It ends the connection afterwards. */
export const originAnswers: Readonly<Record<string, string>> = {
  'two-lengths': `${head}Content-Length: 2\r\nContent-Length: 5\r\n\r\nokokok`,
  'both-lengths': `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  'a-second-response': `${head}Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
  'a-line-end-in-a-value': `${head}X-A: a\rX-Injected: 1\r\nContent-Length: 2\r\n\r\nok`,
  'a-bare-lf': `HTTP/1.1 200 OK\nContent-Length: 2\n\nok`,
  'a-nul': `${head}X-A: a\0\r\nContent-Length: 2\r\n\r\nok`,
  'a-folded-line': `${head}X-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok`,
  'no-status': 'HTTP/1.1\r\n\r\n',
  'status-1000': 'HTTP/1.1 1000 OK\r\nContent-Length: 2\r\n\r\nok',
  'status-099': 'HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok',
  'status-101': 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nGET /smuggled',
  'a-thousand-100s': `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000)}${head}Content-Length: 2\r\n\r\nok`,
  'http-2-in-words': 'HTTP/2 200\r\nContent-Length: 2\r\n\r\nok',
  'http-0-9': 'hello',
  'a-head-without-end': `${head}${'X-A: b\r\n'.repeat(30_000)}`,
  'a-name-without-end': `${head}${'x'.repeat(200_000)}`,
  'a-chunk-with-a-sign': `${head}Transfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n`,
  'a-chunk-that-overflows': `${head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok`,
  'chunked-in-quotes': `${head}Transfer-Encoding: "chunked"\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  'trailers-with-framing': `${head}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n`,
  'a-length-cut': `${head}Content-Length: 10\r\n\r\nok`,
  'a-negative-length': `${head}Content-Length: -1\r\n\r\nok`,
  'vary-quadratic': `${head}Vary: ${'a, '.repeat(20_000)}a\r\nContent-Length: 2\r\n\r\nok`,
  'cache-control-quotes': `HTTP/1.1 200 OK\r\nCache-Control: max-age=60, x="${'\\"'.repeat(15_000)}\r\nContent-Length: 2\r\n\r\nok`,
  'cache-control-commas': `HTTP/1.1 200 OK\r\nCache-Control: ${','.repeat(30_000)}max-age=60\r\nContent-Length: 2\r\n\r\nok`,
  'link-headers': `${head}${'Link: </x>; rel=preload\r\n'.repeat(1_500)}Content-Length: 2\r\n\r\nok`,
  'set-cookies': `${head}${'Set-Cookie: a=b; Path=/\r\n'.repeat(1_500)}Content-Length: 2\r\n\r\nok`,
  'a-length-for-204': 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
  'a-304-unasked': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
  'a-206-unasked':
    'HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/99999999999999999999\r\nContent-Length: 2\r\n\r\nok',
  'a-bad-content-range':
    'HTTP/1.1 206 Partial\r\nContent-Range: bytes 9-1/5\r\nContent-Length: 2\r\n\r\nok',
  'a-gzip-bomb-name': `${head}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok`,
  'proxy-fields': `${head}Proxy-Authenticate: x\r\nConnection: close, Content-Length, Cache-Control\r\nContent-Length: 2\r\n\r\nok`,
  'a-location-with-a-line-end':
    'HTTP/1.1 302 Found\r\nLocation: /x\rX-Injected: 1\r\nContent-Length: 0\r\n\r\n',
  tls: '\x15\x03\x01\x00\x02\x02\x28',
};
