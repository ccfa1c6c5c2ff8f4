// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { logFieldNamed } from '../../telemetry/access-log-line.ts';
import type { LogOptions } from '../../telemetry/log-options.ts';
import { type Diagnostic, diagnosticText } from '../document/diagnostic.ts';
import { ownLogFields } from '../document/log-names.ts';
import { readBySchema } from '../document/reader.ts';
import { parseSource } from '../document/source.ts';
import { type LogsEntry, logsSchema } from '../schema/logs.ts';
import { CompileContext } from './context.ts';
import { compileLogs } from './logs.ts';

const directory = temporaryDirectory();

/** The file is the section alone. */
function compile(text: string): { logs: readonly LogOptions[]; diagnostics: string[] } {
  const parsed = parseSource({ file: 'f', text, directory });
  const read = readBySchema(parsed, logsSchema as Parameters<typeof readBySchema>[1]);
  const diagnostics: Diagnostic[] = [];
  const context = new CompileContext({ parsed, diagnostics, warn: () => {}, nowMs: 0 }, []);
  const value = Array.isArray(read.value) ? (read.value as LogsEntry) : [];
  const logs = compileLogs(value, context);
  return { logs, diagnostics: [...read.diagnostics, ...diagnostics].map(diagnosticText) };
}

test('every key of a log arrives', () => {
  const { logs, diagnostics } = compile(`
- target: a.log
  format: json
  fields: [status, host]
  filter:
    status: [4xx, "500", 502-504]
    host: [Example.org]
    path-prefix: /api
    method: [POST]
    slower-than: 2s
    cache: [miss]
  sample: 10%
  rotate: {size: 1MiB, every: 1d, keep: 3, gzip: on}
- {target: "-", type: handshakes}
- {target: off}
`);
  assert.deepEqual(diagnostics, []);
  const [first, second, ...others] = logs;
  assert.equal(others.length, 0);
  assert.deepEqual(first, {
    target: join(directory, 'a.log'),
    type: 'access',
    format: 'json',
    fields: ['status', 'host'],
    filter: {
      statuses: [
        { from: 400, to: 499 },
        { from: 500, to: 500 },
        { from: 502, to: 504 },
      ],
      hosts: ['example.org'],
      pathPrefix: '/api',
      methods: ['POST'],
      slowerThanMs: 2000,
      cache: ['miss'],
    },
    sample: 0.1,
    rotate: { sizeBytes: 2 ** 20, everyMs: 86_400_000, keep: 3, gzip: true },
  });
  assert.equal(second?.type, 'handshakes');
  assert.equal(second?.format, 'json');
});

const wrong: Record<string, readonly [string, RegExp]> = {
  'a field that is none has its nearest': [
    '- {target: "-", format: "${statsu}"}',
    /there is no field "statsu".*\$\{status\}/,
  ],
  'a format in nginx’s words has the same in ours': [
    `- {target: "-", format: '$remote_addr - $remote_user [$time_local] "$request" $http_x_a $cookie_id'}`,
    /names of nginx's log; sluice has none for \$remote_user; write '\$\{remote\} - - \[\$\{time_combined\}\] "\$\{request\}" \$\{header:x-a\} \$\{cookie:id\}'/,
  ],
  'a format in HAProxy’s words, too': [
    `- {target: "-", format: '%ci:%cp [%t] %ST %B %{+Q}r %[req.hdr(Host)]'}`,
    /names of HAProxy's log; write '\$\{remote\}:\$\{remote_port\} \[\$\{time_combined\}\] \$\{status\} \$\{bytes\} \$\{request\} \$\{header:host\}'/,
  ],
  'and one in Traffic Server’s': [
    `- {target: "-", format: '%<chi> %<cqhl> %<{Referer}cqh>'}`,
    /names of Traffic Server's log; sluice has none for %<cqhl>; write '\$\{remote\} - \$\{referer\}'/,
  ],
  'a name of nginx’s in our place': [
    '- {target: "-", format: "${remote_addr}"}',
    /no field "remote_addr": that is nginx's name.*write \$\{remote\}/,
  ],
  'a name that has no like here': [
    '- {target: "-", format: json, fields: [cqhl]}',
    /fields\[0\].*no field "cqhl": Traffic Server has one, sluice has none.*the fields are time, .*header:NAME/,
  ],
  'a field of JSON that is none': [
    '- {target: "-", format: json, fields: [statuss]}',
    /no field "statuss".*write status/,
  ],
  'a format without fields': ['- {target: "-", format: jsn}', /no field in it.*json/],
  'fields of a line that is no JSON': [
    '- {target: "-", fields: [status]}',
    /only for format: json/,
  ],
  'a directory that is not there': ['- {target: no/where/a.log}', /cannot be written \(ENOENT\)/],
  'a rotation without when': ['- {target: a.log, rotate: {keep: 2}}', /neither size nor every/],
  'a rotation of standard output': ['- {target: "-", rotate: {size: 1MiB}}', /is no file/],
  'two rotations of a file': [
    '- {target: a.log, rotate: {size: 1KiB}}\n- {target: a.log, rotate: {size: 2KiB}}',
    /logs?\[0\] rotates this file/,
  ],
  'a filter of handshakes': [
    '- {target: "-", type: handshakes, filter: {method: [GET]}}',
    /only for logs of requests/,
  ],
  'a format of handshakes': [
    '- {target: "-", type: handshakes, format: combined}',
    /lines about handshakes are JSON/,
  ],
  'a status that is none': ['- {target: "-", filter: {status: [9xx]}}', /9xx/],
};

for (const [name, [text, words]] of Object.entries(wrong)) {
  test(`${name} is a mistake`, () => {
    assert.match(compile(text).diagnostics.join('\n'), words);
  });
}

test('every name of ours that other servers’ names lead to is a field', () => {
  const wrong = [...ownLogFields].filter(
    (name) => name !== '' && logFieldNamed(name) === undefined,
  );
  assert.deepEqual(wrong, []);
});
