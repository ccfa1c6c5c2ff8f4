/**
 * What hostile clients send, as tables of a name and bytes. Each input stands for a kind: its neighbours
 * in the tables are the siblings. Bodies and leftovers ask for `/smuggled`, so that an origin which sees
 * that target was reached past the rules.
 */
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  hex,
  PREFACE,
  ping,
  reset,
  settings,
  TYPE,
  u32,
  windowUpdate,
} from '../http2/wire.ts';

export interface HostileInput {
  readonly name: string;
  readonly bytes: Buffer;
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: open.example\r\n\r\n';
/** The same where the message before it ends without doubt: a pipelined request, which may be served. */
const NEXT = SMUGGLED.replace('/smuggled', '/next');

function inputs(kind: string, table: Readonly<Record<string, string | Buffer>>): HostileInput[] {
  return Object.entries(table).map(([name, text]) => ({
    name: `${kind}: ${name}`,
    // An origin that is reached past the rules sees which input did it.
    bytes:
      typeof text === 'string'
        ? Buffer.from(
            text.replaceAll('/smuggled', `/smuggled-${name.replaceAll(/\W/g, '_')}`),
            'latin1',
          )
        : text,
  }));
}

function named(
  kind: string,
  texts: readonly string[],
  make: (text: string) => string,
): HostileInput[] {
  return texts.map((text) => ({
    name: `${kind}: ${JSON.stringify(text).slice(0, 60)}`,
    bytes: Buffer.from(make(text), 'latin1'),
  }));
}

/** Ways to write a host so that two readers may differ about it. */
export const hostSpellings: readonly string[] = [
  'secret.example',
  'SECRET.example',
  'secret.example.',
  'secret.example..',
  '%73ecret.example',
  's%65cret.example',
  'secret%2eexample',
  'secret.example%2E',
  'secret%00.example',
  'a.secret.example',
  'a.b.secret.example',
  '.secret.example',
  'secret.example:443',
  'secret.example:80:443',
  'secret.example::443',
  'secret.example:',
  'secret.example:x',
  'secret.example:0443',
  'secret.example:99999',
  'secret.example:+443',
  'secret.example:-1',
  'open.example@secret.example',
  'secret.example@open.example',
  'open.example:80@secret.example',
  'secret.example#',
  'secret.example?',
  'secret.example/',
  'secret.example\\',
  'secret.example,open.example',
  'secret.example open.example',
  'secret.example\topen.example',
  ' secret.example',
  'secret.example ',
  '[secret.example]',
  '[::1]',
  '[::1',
  '::1',
  '[::1%25lo]',
  '[::1%lo]',
  '[v1.x]',
  's\u00e9cret.example',
  'xn--',
  '',
  ':80',
  '@',
  '%',
  '*.secret.example',
  'secret.example\x00',
  'secret.example\x0b',
  `${'a'.repeat(64)}.secret.example`,
  `${'a.'.repeat(200)}secret.example`,
  'b'.repeat(9_000),
];

/** Ways to write /admin that some origin reads as /admin. */
const adminSpellings: readonly string[] = [
  '/admin',
  '/%61dmin',
  '/%2561dmin',
  '//admin',
  '/./admin',
  '/x/../admin',
  '/x/..;/admin',
  '/x/%2e%2e/admin',
  '/x/%2e./admin',
  '/x%2f..%2fadmin',
  '/x/..%2fadmin',
  '\\admin',
  '/\\admin',
  '/x/..\\admin',
  '/admin;a=b',
  '/admin%3Bx',
  '/;/admin',
  '/admin?x',
  '/admin%3fx',
  '/admin#x',
  '/admin/',
  '/admin//',
  '/admin/.',
  '/admin/x/..',
  '/admin%00',
  '/admin%20',
  '/admin%09',
  '/%2fadmin',
  '/%2f%2fadmin',
  'http://open.example/admin',
  'HTTP://open.example/admin',
  'http://open.example//admin',
  'http://secret.example/x',
  'http://%73ecret.example/x',
  'http://open.example:80:80/admin',
  'http:///admin',
  'http://open.example',
  'http://[::1/admin',
  'https://open.example/x',
  'ftp://open.example/x',
  '*',
  'admin',
  '',
  '/\x80admin',
  '/a b',
  '/%',
  '/%zz',
  `/${'a/../'.repeat(2_000)}admin`,
  `/${'%2e%2e%2f'.repeat(1_000)}admin`,
  `/${'x'.repeat(30_000)}`,
];

const get = (fields: string, target = '/x') =>
  `GET ${target} HTTP/1.1\r\nHost: open.example\r\n${fields}\r\n`;
const post = (fields: string, body = '') =>
  `POST /x HTTP/1.1\r\nHost: open.example\r\n${fields}\r\n${body}${SMUGGLED}`;

const pipelined = (fields: string, body = '') => post(fields, body).replace(SMUGGLED, NEXT);

/** Values that cost a careless parser more than their length. */
const costlyValues: Readonly<Record<string, string>> = {
  commas: ','.repeat(30_000),
  'commas and blanks': ' ,'.repeat(15_000),
  'a quote and blanks': `a,"q"${' '.repeat(30_000)}b`,
  quotes: '"'.repeat(30_000),
  'quotes and backslashes': '"\\'.repeat(15_000),
  'open quotes': `"${'\\"'.repeat(15_000)}`,
  semicolons: ';'.repeat(30_000),
  'parameters without end': `a;${'b=c;'.repeat(7_000)}`,
  equals: '='.repeat(30_000),
  parentheses: '('.repeat(30_000),
  brackets: '['.repeat(30_000),
  tabs: `a${'\t'.repeat(30_000)}b`,
  digits: '9'.repeat(30_000),
  percents: '%'.repeat(30_000),
  dots: '.'.repeat(30_000),
  ranges: `bytes=${'0-0,'.repeat(7_000)}0-0`,
  members: Array.from({ length: 5_000 }, (_, i) => `m${i}`).join(', '),
};

const valueFields: readonly string[] = [
  'Origin',
  'Accept-Language',
  'Accept-Encoding',
  'Accept',
  'Cookie',
  'Cache-Control',
  'Connection',
  'Range',
  'If-None-Match',
  'If-Range',
  'Forwarded',
  'X-Forwarded-For',
  'Via',
  'TE',
  'Expect',
  'Upgrade',
  'Pragma',
  'Max-Forwards',
  'Early-Data',
  'If-Modified-Since',
];

const framings: readonly HostileInput[] = inputs('framing', {
  'both lengths': post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'two lengths': post('Content-Length: 0\r\nContent-Length: 47\r\n'),
  'a list of lengths': post('Content-Length: 0, 47\r\n'),
  'a signed length': post('Content-Length: +47\r\n'),
  'a length with a blank': post('Content-Length: 4 7\r\n'),
  'a length in hexadecimal': post('Content-Length: 0x2f\r\n'),
  'a length beyond 2^64': post('Content-Length: 18446744073709551663\r\n'),
  'a blank before the colon': post('Content-Length : 47\r\n'),
  'an underscore': pipelined('Content_Length: 47\r\n'),
  'a vertical tab in the name': post('Content-Length\x0b: 47\r\n'),
  xchunked: post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
  'chunked in quotes': post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n'),
  'chunked, identity': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
  'chunked twice': post(
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
    '0\r\n\r\n',
  ),
  'chunked behind a control character': post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'),
  'folded chunked': post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'),
  'chunked over HTTP/1.0': post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n').replace(
    '1.1',
    '1.0',
  ),
  'a chunk size with a sign': post('Transfer-Encoding: chunked\r\n', '+0\r\n\r\n'),
  'a chunk size with 0x': post('Transfer-Encoding: chunked\r\n', '0x0\r\n\r\n'),
  'a chunk size that overflows': post('Transfer-Encoding: chunked\r\n', '100000000000000000\r\n'),
  'a chunk without CRLF': post('Transfer-Encoding: chunked\r\n', '5\r\nhello0\r\n\r\n'),
  'a chunk that ends with LF': post('Transfer-Encoding: chunked\r\n', '5\nhello\n0\n\n'),
  'a chunk extension with a bare LF': post('Transfer-Encoding: chunked\r\n', '2;\nxx\r\n0\r\n\r\n'),
  'chunk extensions without end': post(
    'Transfer-Encoding: chunked\r\n',
    `1;${'a=b;'.repeat(20_000)}`,
  ),
  'many small chunks': pipelined(
    'Transfer-Encoding: chunked\r\n',
    `${'1\r\nx\r\n'.repeat(5_000)}0\r\n\r\n`,
  ),
  'a trailer with framing': pipelined(
    'Transfer-Encoding: chunked\r\n',
    '0\r\nContent-Length: 47\r\n\r\n',
  ),
  'a trailer with Host': pipelined(
    'Transfer-Encoding: chunked\r\n',
    '0\r\nHost: secret.example\r\n\r\n',
  ),
  'trailers without end': post(
    'Transfer-Encoding: chunked\r\n',
    `0\r\n${'X-A: b\r\n'.repeat(9_000)}`,
  ),
  'a bare CR in a value': post('X-A: a\rContent-Length: 47\r\n'),
  'a bare LF in a value': post('X-A: a\nContent-Length: 47\r\n'),
  'a NUL in a value': post('X-A: a\x00\r\n'),
  'a NUL in a name': post('X\x00A: a\r\n'),
  'bare LFs only': `POST /x HTTP/1.1\nHost: open.example\nContent-Length: 0\n\n${SMUGGLED}`,
  'a GET with a body': get('Content-Length: 47\r\n') + SMUGGLED,
  'two hosts': `GET /x HTTP/1.1\r\nHost: open.example\r\nHost: secret.example\r\n\r\n`,
  'no host': 'GET /x HTTP/1.1\r\n\r\n',
  'HTTP/1.0 without a host': 'GET /x HTTP/1.0\r\n\r\n',
  'HTTP/0.9': 'GET /smuggled\r\n\r\n',
  'HTTP/2.0 in words': 'GET /x HTTP/2.0\r\nHost: open.example\r\n\r\n',
  'HTTP/1.2': 'GET /x HTTP/1.2\r\nHost: open.example\r\n\r\n',
  'a lower-case version': 'GET /x http/1.1\r\nHost: open.example\r\n\r\n',
  'two blanks in the request line': 'GET  /x HTTP/1.1\r\nHost: open.example\r\n\r\n',
  'a tab in the request line': 'GET\t/x\tHTTP/1.1\r\nHost: open.example\r\n\r\n',
  'a method of punctuation': '(GET) /x HTTP/1.1\r\nHost: open.example\r\n\r\n',
  'a method without end': `${'G'.repeat(60_000)} /x HTTP/1.1\r\n\r\n`,
  'empty lines first': `${'\r\n'.repeat(2_000)}${get('')}`,
  'a head without end': `GET /x HTTP/1.1\r\nHost: open.example\r\n${'X-A: b\r\n'.repeat(20_000)}`,
  'many different fields': get(Array.from({ length: 3_000 }, (_, i) => `X-${i}: b\r\n`).join('')),
  'a name without end': `GET /x HTTP/1.1\r\nHost: open.example\r\n${'x'.repeat(70_000)}`,
  '__proto__ and constructor': get('__proto__: a\r\nconstructor: b\r\ntoString: c\r\n'),
  'Connection that names Host': get('Connection: close, Host, Content-Length, Client-Cert\r\n'),
  'an upgrade to h2c': get(
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
  ),
  'an upgrade to nonsense': get('Connection: Upgrade\r\nUpgrade: \x80\x81, websocket\r\n') + NEXT,
  'an HTTP/2 preface on HTTP/1': PREFACE,
  'half a preface': PREFACE.subarray(0, 14),
  'a TLS record on HTTP/1': hex('1603010200010001fc0303'),
  'a PROXY header on HTTP/1': `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${get('')}`,
  'a thousand pipelined requests': get('').repeat(1_000),
  'Expect without a body': get('Expect: 100-continue\r\n'),
  'Expect for something else': post('Expect: miracles\r\nContent-Length: 0\r\n'),
  TRACE: 'TRACE /x HTTP/1.1\r\nHost: open.example\r\n\r\n',
  'OPTIONS *': 'OPTIONS * HTTP/1.1\r\nHost: open.example\r\nMax-Forwards: 0\r\n\r\n',
  'PURGE from nowhere': 'PURGE /x HTTP/1.1\r\nHost: open.example\r\nVia: 1.1 x\r\n\r\n',
  SSTP_DUPLEX_POST:
    'SSTP_DUPLEX_POST /x HTTP/1.1\r\nHost: open.example\r\nContent-Length: 18446744073709551615\r\n\r\n',
});

const injections: readonly string[] = [
  'a\r\nX-Injected: 1',
  'a%0d%0aX-Injected:%201',
  'a%0aX-Injected: 1',
  'a\u010d\u010aX-Injected: 1',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the configuration
  '${env}',
  '%00',
];

export const http1Inputs: readonly HostileInput[] = [
  ...named('host', hostSpellings, (host) => `GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
  ...named('target', adminSpellings, (target) => get('', target)),
  ...named(
    'absolute form',
    hostSpellings,
    (host) => `GET http://${host}/x HTTP/1.1\r\nHost: open.example\r\n\r\n`,
  ),
  ...framings,
  ...valueFields.flatMap((field) =>
    Object.entries(costlyValues).map(([name, value]) => ({
      name: `${field}: ${name}`,
      bytes: Buffer.from(get(`${field}: ${value}\r\n`), 'latin1'),
    })),
  ),
  ...named('query into a field', injections, (text) => get('', `/x?${text}`)),
];

const request = (path: string, authority: string, ...more: (readonly [string, string])[]) => [
  [':method', 'GET'] as const,
  [':scheme', 'https'] as const,
  [':path', path] as const,
  [':authority', authority] as const,
  ...more,
];
const open2 = Buffer.concat([PREFACE, settings(), frame(TYPE.SETTINGS, 1, 0)]);
const ask = (lines: readonly (readonly [string, string])[]) =>
  Buffer.concat([open2, headers(1, END_HEADERS | END_STREAM, lines)]);

export const http2Inputs: readonly HostileInput[] = [
  ...hostSpellings.map((host) => ({
    name: `authority: ${JSON.stringify(host).slice(0, 60)}`,
    bytes: ask(request('/x', host)),
  })),
  ...hostSpellings.slice(0, 30).map((host) => ({
    name: `host beside authority: ${JSON.stringify(host).slice(0, 60)}`,
    bytes: ask(request('/x', 'open.example', ['host', host])),
  })),
  ...adminSpellings.slice(0, 29).map((path) => ({
    name: `path: ${JSON.stringify(path).slice(0, 60)}`,
    bytes: ask(request(path, 'open.example')),
  })),
  ...inputs('fields', {
    'an upper-case name': ask(request('/x', 'open.example', ['X-Upper', 'a'])),
    'a line end in a value': ask(request('/x', 'open.example', ['x', 'a\r\nX-Injected: 1'])),
    'a line end in a name': ask(request('/x', 'open.example', ['x: a\r\nx-injected', '1'])),
    'a line end in the path': ask(request('/x HTTP/1.1\r\nX-Injected: 1\r\n\r\n', 'open.example')),
    'a NUL in a value': ask(request('/x', 'open.example', ['x', 'a\0b'])),
    'a blank in the method': ask([
      [':method', 'GET /smuggled'],
      ...request('/x', 'open.example').slice(1),
    ]),
    'a colon in the scheme': ask([
      [':method', 'GET'],
      [':scheme', 'https://x'],
      [':path', '/x'],
      [':authority', 'open.example'],
    ]),
    'two paths': ask(request('/x', 'open.example', [':path', '/smuggled'])),
    'a pseudo-header behind a field': ask(
      request('/x', 'open.example', ['x', 'a'], [':path', '/smuggled']),
    ),
    'an unknown pseudo-header': ask(request('/x', 'open.example', [':x', 'a'])),
    'transfer-encoding': ask(request('/x', 'open.example', ['transfer-encoding', 'chunked'])),
    connection: ask(request('/x', 'open.example', ['connection', 'host'])),
    'te: chunked': ask(request('/x', 'open.example', ['te', 'chunked'])),
    'no path': ask(request('/x', 'open.example').filter(([name]) => name !== ':path')),
    'an empty path': ask(request('', 'open.example')),
    'CONNECT with a zone': ask([
      [':method', 'CONNECT'],
      [':authority', '[fe80::1%25lo]:443'],
    ]),
    'CONNECT to a port out of range': ask([
      [':method', 'CONNECT'],
      [':authority', 'a.example:99999'],
    ]),
    'CONNECT with a path': ask([
      [':method', 'CONNECT'],
      ...request('/x', '127.0.0.1:443').slice(1),
    ]),
    'extended CONNECT to the denied path': ask([
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      ...request('/admin', 'open.example').slice(1),
    ]),
    'more content than announced': Buffer.concat([
      open2,
      headers(1, END_HEADERS, [
        [':method', 'POST'],
        ...request('/x', 'open.example', ['content-length', '2']).slice(1),
      ]),
      data(1, SMUGGLED, END_STREAM),
    ]),
    'less content than announced': Buffer.concat([
      open2,
      headers(1, END_HEADERS, [
        [':method', 'POST'],
        ...request('/x', 'open.example', ['content-length', '99']).slice(1),
      ]),
      data(1, 'x', END_STREAM),
    ]),
    'trailers with framing': Buffer.concat([
      open2,
      headers(1, END_HEADERS, [[':method', 'POST'], ...request('/x', 'open.example').slice(1)]),
      headers(1, END_HEADERS | END_STREAM, [
        ['content-length', '5'],
        ['host', 'secret.example'],
      ]),
    ]),
    '20,000 fields': ask(
      request(
        '/x',
        'open.example',
        ...Array.from({ length: 3_000 }, (_, i) => [`x${i}`, 'y'] as const),
      ),
    ),
  }),
  ...Object.entries(costlyValues).map(([name, value]) => ({
    name: `origin: ${name}`,
    bytes: ask(request('/x', 'open.example', ['origin', value.slice(0, 12_000)])),
  })),
  ...inputs('frames', {
    'DATA on stream 0': Buffer.concat([open2, data(0, 'x')]),
    'DATA on an idle stream': Buffer.concat([open2, data(1, 'x')]),
    'HEADERS on stream 0': Buffer.concat([open2, frame(TYPE.HEADERS, 5, 0, block(['a', 'b']))]),
    'HEADERS on an even stream': Buffer.concat([
      open2,
      headers(2, 5, request('/x', 'open.example')),
    ]),
    'HEADERS on a closed stream': Buffer.concat([
      ask(request('/x', 'open.example')),
      reset(1),
      headers(1, 5, request('/x', 'open.example')),
    ]),
    'CONTINUATION alone': Buffer.concat([open2, frame(TYPE.CONTINUATION, 4, 1, block(['a', 'b']))]),
    'CONTINUATION without end': Buffer.concat([
      open2,
      headers(1, 0, request('/x', 'open.example')),
      ...Array.from({ length: 500 }, () => frame(TYPE.CONTINUATION, 0, 1, block(['a', 'b']))),
    ]),
    'empty CONTINUATION frames': Buffer.concat([
      open2,
      headers(1, 0, request('/x', 'open.example')),
      ...Array.from({ length: 5_000 }, () => frame(TYPE.CONTINUATION, 0, 1)),
    ]),
    'PING inside a field block': Buffer.concat([
      open2,
      headers(1, 0, request('/x', 'open.example')),
      ping(),
    ]),
    'padding longer than the frame': Buffer.concat([
      open2,
      frame(TYPE.DATA, 8, 1, Buffer.from([255, 1])),
    ]),
    'a WINDOW_UPDATE of 0': Buffer.concat([open2, windowUpdate(0, 0)]),
    'a window that overflows': Buffer.concat([
      open2,
      windowUpdate(0, 0x7fffffff),
      windowUpdate(0, 0x7fffffff),
    ]),
    'a SETTINGS of 5 bytes': Buffer.concat([open2, frame(TYPE.SETTINGS, 0, 0, Buffer.alloc(5))]),
    'a SETTINGS ACK with a payload': Buffer.concat([
      open2,
      frame(TYPE.SETTINGS, 1, 0, Buffer.alloc(6)),
    ]),
    'SETTINGS on a stream': Buffer.concat([open2, frame(TYPE.SETTINGS, 0, 1)]),
    'an initial window beyond 2^31': Buffer.concat([open2, settings([4, 0xffffffff])]),
    'a frame size below 16,384': Buffer.concat([open2, settings([5, 100])]),
    '2,000 SETTINGS': Buffer.concat([
      open2,
      ...Array.from({ length: 2_000 }, () => settings([3, 1])),
    ]),
    '5,000 PINGs': Buffer.concat([
      open2,
      ...Array.from({ length: 5_000 }, (_, i) => ping(String(i).padStart(8, '0'))),
    ]),
    PUSH_PROMISE: Buffer.concat([open2, frame(TYPE.PUSH_PROMISE, 4, 1, Buffer.alloc(8))]),
    'RST_STREAM of 3 bytes': Buffer.concat([open2, frame(TYPE.RST_STREAM, 0, 1, Buffer.alloc(3))]),
    'RST_STREAM on an idle stream': Buffer.concat([open2, reset(1)]),
    'GOAWAY, then requests': Buffer.concat([
      open2,
      frame(TYPE.GOAWAY, 0, 0, Buffer.concat([u32(0), u32(0)])),
      headers(1, 5, request('/x', 'open.example')),
    ]),
    'a frame of 16 MiB announced': Buffer.concat([open2, hex('ffffff0000000000 01')]),
    'a PRIORITY on itself': Buffer.concat([
      open2,
      frame(TYPE.PRIORITY, 0, 1, Buffer.concat([u32(1), Buffer.of(0)])),
    ]),
    'an unknown type': Buffer.concat([open2, frame(99, 255, 1, Buffer.alloc(100))]),
    'HPACK: index 0': Buffer.concat([open2, frame(TYPE.HEADERS, 5, 1, Buffer.of(0x80))]),
    'HPACK: index beyond the table': Buffer.concat([
      open2,
      frame(TYPE.HEADERS, 5, 1, hex('ffffffff0f')),
    ]),
    'HPACK: an integer without end': Buffer.concat([
      open2,
      frame(TYPE.HEADERS, 5, 1, Buffer.alloc(5_000, 0xff)),
    ]),
    'HPACK: a string beyond the block': Buffer.concat([
      open2,
      frame(TYPE.HEADERS, 5, 1, hex('00 7f ff ff 03')),
    ]),
    'HPACK: Huffman padding of zeros': Buffer.concat([
      open2,
      frame(TYPE.HEADERS, 5, 1, hex('00 81 00 81 00')),
    ]),
    'HPACK: the EOS symbol': Buffer.concat([
      open2,
      frame(TYPE.HEADERS, 5, 1, hex('00 84 ff ff ff ff 81 ff')),
    ]),
    'HPACK: a table size beyond the limit': Buffer.concat([
      open2,
      frame(TYPE.HEADERS, 5, 1, hex('3fffffff07')),
    ]),
    'HPACK: table sizes in the middle': Buffer.concat([
      open2,
      frame(TYPE.HEADERS, 5, 1, hex('82 20')),
    ]),
    'HPACK bomb': Buffer.concat([
      open2,
      frame(
        TYPE.HEADERS,
        5,
        1,
        Buffer.concat([
          hex('40 01 61 7f 80 1e'),
          Buffer.alloc(3_967, 0x61),
          Buffer.alloc(10_000, 0xbe),
        ]),
      ),
    ]),
    'a request before the preface': Buffer.from(NEXT),
    'the preface twice': Buffer.concat([PREFACE, PREFACE]),
    'random bytes behind the preface': Buffer.concat([PREFACE, Buffer.alloc(5_000, 0x5a)]),
  }),
];
