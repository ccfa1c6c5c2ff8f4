// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import assert from 'node:assert/strict';
import test from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { configuredAuthority } from '../../http/authority.ts';
import { FieldSection } from '../../http/field-section.ts';
import { NO_CAPTURES } from '../../routing/captures.ts';
import { compileEdits } from '../../routing/field-edits.ts';
import { type Diagnostic, diagnosticText } from '../document/diagnostic.ts';
import { readBySchema } from '../document/reader.ts';
import { parseSource } from '../document/source.ts';
import { requestHeaders, responseHeaders } from '../schema/field-edits.ts';
import { CompileContext } from './context.ts';
import { compileEditSteps } from './field-edits.ts';

const directory = temporaryDirectory();
type Message = 'request' | 'response';
type Schema = Parameters<typeof readBySchema>[1];

/** The file is the value of `request-headers` or `response-headers` alone. */
function compile(text: string, message: Message) {
  const parsed = parseSource({ file: 'f', text, directory });
  const schema = message === 'request' ? requestHeaders : responseHeaders;
  const read = readBySchema(parsed, schema as Schema);
  const diagnostics: Diagnostic[] = [];
  const context = new CompileContext({ parsed, diagnostics, warn: () => {}, nowMs: 0 }, []);
  const value = read.value as Parameters<typeof compileEditSteps>[0];
  const steps = compileEditSteps(value, message, NO_CAPTURES, context);
  return { steps, mistakes: [...read.diagnostics, ...diagnostics].map(diagnosticText) };
}

type Lines = readonly (readonly [string, string])[];

interface Scene {
  readonly sent?: Lines;
  readonly status?: number;
  readonly cookie?: string;
  readonly chance?: number;
  readonly minute?: number;
}

function edited(text: string, message: Message, scene: Scene): string[] {
  const { steps, mistakes } = compile(text, message);
  assert.deepEqual(mistakes, []);
  const { sent = [], status = 200, cookie = '', chance = 0, minute = 0 } = scene;
  const means = { wallMs: () => minute * 60_000, random: () => chance };
  const head = {
    ...({ method: 'GET', version: '1.1', scheme: 'http', path: '/', upgrade: '' } as const),
    authority: configuredAuthority('a.example'),
    fields: FieldSection.of(['cookie', cookie]),
    contentLength: 0,
    expectContinue: false,
  };
  const fields = FieldSection.of(...sent);
  compileEdits(steps, message, NO_CAPTURES, means)?.apply(fields, { head, facts: null, status });
  return [...fields].map(([name, value]) => `${name}: ${value}`);
}

const A = ['x-a: 1'];
const cookies = [
  ['cookie', 'a=1; b=2'],
  ['cookie', 'c=3'],
] as const;
const setCookies = [
  ['set-cookie', 'a=1; Path=/'],
  ['set-cookie', 'b=2'],
] as const;
const html = [['content-type', 'text/html']] as const;

/** Of each: where it is made, what comes of it, and where it is not. */
const cases: readonly [Message, string, string, Scene, string[], Scene, string[]][] = [
  [
    'request',
    'cookies',
    'cookies: {remove: [b], set: {c: "4", d: "5"}}',
    { sent: cookies },
    ['cookie: a=1; c=4; d=5'],
    {},
    ['cookie: c=4; d=5'],
  ],
  [
    'request',
    'when',
    'set: {X-A: "1"}\nwhen: {match: {cookies: {l: de}}}',
    { cookie: 'l=de' },
    A,
    { cookie: 'l=en' },
    [],
  ],
  [
    'request',
    'share',
    'set: {X-A: "1"}\nwhen: {share: 10%}',
    { chance: 0.09 },
    A,
    { chance: 0.1 },
    [],
  ],
  [
    'request',
    'hours',
    'set: {X-A: "1"}\nwhen: {hours: "08:30-17:00"}',
    { minute: 510 },
    A,
    { minute: 1020 },
    [],
  ],
  [
    'request',
    'else',
    'set: {X-A: "1"}\nwhen: {match: {cookies: {l: de}}}\nelse: {set: {X-B: "2"}}',
    { cookie: 'l=de' },
    A,
    {},
    ['x-b: 2'],
  ],
  [
    'response',
    'cookies',
    'cookies: {remove: [b], set: {c: "4; Secure"}}',
    { sent: setCookies },
    ['set-cookie: a=1; Path=/', 'set-cookie: c=4; Secure'],
    {},
    ['set-cookie: c=4; Secure'],
  ],
  [
    'response',
    'status',
    'set: {X-A: "1"}\nwhen: {status: [404, 5xx]}',
    { status: 503 },
    A,
    { status: 403 },
    [],
  ],
  [
    'response',
    'status',
    'set: {X-A: "1"}\nwhen: {status: [404, 5xx]}',
    { status: 404 },
    A,
    { status: 200 },
    [],
  ],
  [
    'response',
    'response-headers',
    'set: {X-A: "1"}\nwhen: {response-headers: {Content-Type: text/*}}',
    { sent: html },
    ['content-type: text/html', ...A],
    {},
    [],
  ],
  [
    'response',
    'when',
    'set: {X-A: "1"}\nwhen: {match: {cookies: {l: de}}}',
    { cookie: 'l=de' },
    A,
    {},
    [],
  ],
  [
    'response',
    'share',
    'set: {X-A: "1"}\nwhen: {share: 50%}',
    { chance: 0.4 },
    A,
    { chance: 0.5 },
    [],
  ],
  [
    'response',
    'hours',
    'set: {X-A: "1"}\nwhen: {hours: "22:00-06:00"}',
    { minute: 1380 },
    A,
    { minute: 720 },
    [],
  ],
  [
    'response',
    'else',
    'set: {X-A: "1"}\nwhen: {status: [5xx]}\nelse: {set: {X-B: "2"}}',
    { status: 500 },
    A,
    {},
    ['x-b: 2'],
  ],
];

for (const [message, name, text, right, made, wrong, left] of cases) {
  test(`the change of ${message} headers by ${name} is made where it says so, and nowhere else`, () => {
    assert.deepEqual(edited(text, message, right), made);
    assert.deepEqual(edited(text, message, wrong), left);
  });
}

test('several changes are made in their order, each by what the ones before have left', () => {
  const text = `
- set: {X-A: "1"}
- {when: {response-headers: {X-A: "1"}}, set: {X-B: "\${header:cookie}"}}
- {when: {response-headers: {X-A: "2"}}, set: {X-C: "3"}}`;
  assert.deepEqual(edited(text, 'response', { cookie: 'l=de' }), ['x-a: 1', 'x-b: l=de']);
});

test('only changes that the client decides about are made for each request', () => {
  const isPerRequest = (text: string) => {
    return compileEdits(compile(text, 'response').steps, 'response')!.isPerRequest;
  };
  for (const text of [
    'set: {X-A: "${host}${path}"}',
    'set: {X-A: b}\nwhen: {status: [404], match: {hosts: [a], path-prefix: /x}}',
    'cookies: {set: {a: b}}\nwhen: {response-headers: {X-A: b}}',
  ]) {
    assert.ok(!isPerRequest(text), text);
  }
  for (const text of [
    'set: {X-A: "${client-address}"}',
    'set: {X-A: b}\nwhen: {share: 10%}',
    'set: {X-A: b}\nwhen: {hours: "00:00-01:00"}',
    'set: {X-A: b}\nwhen: {match: {cookies: {a: b}}}',
    'set: {X-A: b}\nwhen: {status: [404]}\nelse: {set: {X-A: "${query}"}}',
    '- set: {X-A: b}\n- {when: {match: {not: {from: [10.0.0.0/8]}}}, set: {X-A: c}}',
  ]) {
    assert.ok(isPerRequest(text), text);
  }
});

test('what cannot be edited, or under no condition, is refused with what to write', () => {
  const mistakes: readonly [text: string, message: Message, words: RegExp][] = [
    ['else: {set: {X-A: b}}', 'response', /there is no when.*add when/s],
    ['set: {X-A: b}\nwhen: {}', 'response', /no condition.*leave it out/s],
    ['set: {X-A: b}\nwhen: {status: [2000]}', 'response', /when\.status\[0\]/],
    ['set: {X-A: b}\nwhen: {status: [404]}', 'request', /unknown key "status"/],
    ['set: {X-A: b}\nwhen: {hours: "8-17"}', 'response', /not as 22:00-06:00/],
    ['set: {X-A: b}\nwhen: {share: 110%}', 'response', /share/],
    [
      'set: {X-A: b}\nwhen: {status: [404]}\nelse: {set: {Age: "1"}}',
      'response',
      /else: Age is not/,
    ],
    ['cookies: {set: {"a b": c}}', 'request', /no name of a cookie: a b/],
    ['set: {X-A: "${nothing}"}', 'response', /there is no variable \$\{nothing\}/],
  ];
  for (const [text, message, words] of mistakes) {
    assert.match(compile(text, message).mistakes.join('\n'), words, text);
  }
});
