// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import { type Static, Type } from 'typebox';
import {
  COMPRESSION_ENCODINGS_DEFAULT,
  COMPRESSION_SIZE_MIN_DEFAULT,
  COMPRESSION_TYPES_DEFAULT,
} from '../../routing/route.ts';
import {
  addressRanges,
  either,
  integer,
  list,
  mapOf,
  number,
  oneOf,
  onOff,
  secretText,
  section,
  size,
  text,
} from './kinds.ts';
import { routeCacheSchema } from './route-cache.ts';

const METHOD = "^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$";

const methods = (title: string) =>
  list(text({ title: 'A method.', pattern: METHOD, examples: ['GET'] }), {
    title,
    description: 'GET includes HEAD. Methods are in capitals.',
    default: 'every method',
    examples: [['GET', 'POST']],
  });

const fieldValues = (title: string, example: Record<string, string>) =>
  mapOf(secretText({ title: 'A value.', examples: Object.values(example) }), {
    title,
    default: {},
    examples: [example],
  });

const match = section(
  {
    scheme: oneOf(['http', 'https'], {
      title: 'The scheme of the request: whether it came over TLS.',
      default: 'both',
      examples: ['http'],
    }),
    hosts: list(text({ title: 'A host name.', minLength: 1, examples: ['example.org'] }), {
      title: 'Names in Host or :authority.',
      description:
        '`*.example.org` is every name with one more label. Case, port and a final dot do not matter.',
      default: 'every host',
      examples: [['example.org', '*.example.org']],
    }),
    'path-prefix': text({
      title: 'Where the path begins.',
      description:
        '`/api` is that path and all below it, not `/apix`; `/api*` is all that begins so. Paths are ' +
        'compared in their normal form, without query; a path that can be read in ways that lead to ' +
        'different routes is refused.',
      default: 'every path',
      examples: ['/api'],
    }),
    'path-pattern': text({
      title: 'A regular expression for the path, without query.',
      description:
        'Found anywhere in the path unless anchored by ^ and $. Matched in linear time: look-ahead, ' +
        'back-references and large {n,m} are refused.',
      default: 'every path',
      examples: ['^/users/(\\d+)$'],
    }),
    methods: methods('Methods of the request.'),
    headers: fieldValues(
      'Fields that the request has, and their values; `*` is any, `abc*` a beginning.',
      {
        'X-Beta': 'yes',
      },
    ),
    from: addressRanges({
      title: 'Where the client is.',
      description: 'With the PROXY protocol, the client that its header names.',
      default: 'everywhere',
      examples: [['10.0.0.0/8']],
    }),
  },
  {
    title: 'Which requests the route is for: all that is given must hold.',
    default: 'every request',
    examples: [{ hosts: ['example.org'], 'path-prefix': '/api' }],
  },
);

const redirect = section(
  {
    to: text({
      title: 'The Location, with variables.',
      description: '`$1` to `$9` are what the groups of the route’s path-pattern have matched.',
      default: 'none: it must be given',
      minLength: 1,
      examples: ['https://${host}${target}'],
    }),
    status: oneOf([301, 302, 303, 307, 308], {
      title: 'The status.',
      description: '308 keeps the method, and clients may remember it; 307 they may not.',
      default: 308,
      examples: [301],
    }),
  },
  {
    title: 'Answer with a redirect, in place of an origin.',
    default: 'none',
    examples: [{ to: 'https://${host}${target}' }],
    required: ['to'],
  },
);

const respond = section(
  {
    status: integer({
      title: 'The status.',
      default: 'none: it must be given',
      minimum: 200,
      maximum: 599,
      examples: [200],
    }),
    headers: fieldValues('Headers of the response.', { 'Content-Type': 'text/html' }),
    body: text({
      title: 'The content.',
      description: 'text/plain unless `headers` says otherwise.',
      default: 'none',
      examples: ['well'],
    }),
  },
  {
    title: 'Answer with this, in place of an origin.',
    default: 'none',
    examples: [{ status: 200, body: 'well' }],
    required: ['status'],
  },
);

const rewrite = section(
  {
    'strip-prefix': text({
      title: 'Taken off the front of the path.',
      default: 'nothing',
      examples: ['/api'],
    }),
    replace: section(
      {
        pattern: text({
          title: 'A regular expression for the path, as path-pattern.',
          default: 'none: it must be given',
          examples: ['^/u/(\\d+)$'],
        }),
        with: text({
          title: 'What takes the place of its first match; `$1` and so on are its groups.',
          default: 'none: it must be given',
          examples: ['/users/$1'],
        }),
      },
      {
        title: 'Replaces a part of the path.',
        default: 'none',
        examples: [{ pattern: '^/u/(\\d+)$', with: '/users/$1' }],
        required: ['pattern', 'with'],
      },
    ),
    'add-prefix': text({
      title: 'Put before the path.',
      default: 'nothing',
      examples: ['/v2'],
    }),
    'query-remove': list(
      text({ title: 'A parameter’s name.', minLength: 1, examples: ['utm_*'] }),
      {
        title: 'Query parameters that do not go on; `utm_*` is every name that begins so.',
        default: [],
        examples: [['utm_*']],
      },
    ),
    'query-set': fieldValues('Query parameters that the origin gets.', { source: 'edge' }),
    host: text({
      title: 'Host toward the origin; `${origin}` is the origin’s own.',
      default: 'as the client sent it',
      examples: ['backend.internal'],
    }),
    'map-location': onOff({
      title: 'Change Location and Content-Location of responses the other way.',
      description:
        'What was taken off the path or put before it is put back, and the origin’s own name gives ' +
        'way to the one that was asked for. What leads elsewhere stays as it is, and so does a path ' +
        'that has the prefix already. Not with `replace`: that cannot be undone.',
      default: 'on',
      examples: ['off'],
    }),
  },
  {
    title: 'What changes of the target on the way to the origin, in this order.',
    description: 'The cache’s key stays what the client asked for.',
    default: 'nothing',
    examples: [{ 'strip-prefix': '/api' }],
  },
);

const edits = (title: string, description: string) =>
  section(
    {
      remove: list(text({ title: 'A field’s name.', minLength: 1, examples: ['Server'] }), {
        title: 'Fields that are removed, first.',
        default: [],
        examples: [['Server']],
      }),
      set: fieldValues('Fields that have this value and no other.', { 'X-Frame-Options': 'DENY' }),
      add: fieldValues('Field lines beside those that are there.', {
        Link: '</a.css>; rel=preload',
      }),
    },
    { title, description, default: 'nothing', examples: [{ set: { 'X-Frame-Options': 'DENY' } }] },
  );

const accessRanges = (title: string) =>
  either([oneOf(['all'], { title: 'Everybody.', examples: ['all'] }), addressRanges({ title })], {
    title,
    default: 'none',
    examples: ['all', ['10.0.0.0/8']],
  });

const accessRule = section(
  {
    allow: accessRanges('Address ranges that are allowed, or `all`.'),
    deny: accessRanges('Address ranges that are denied, or `all`.'),
    methods: methods('Methods that the rule is for.'),
    paths: list(text({ title: 'As path-prefix.', minLength: 1, examples: ['/admin'] }), {
      title: 'Paths that the rule is for, however they are spelt.',
      default: 'every path',
      examples: [['/admin', '/debug*']],
    }),
  },
  {
    title: 'One rule: either `allow` or `deny`.',
    examples: [{ deny: 'all', paths: ['/admin'] }],
  },
);

const rateLimit = section(
  {
    'requests-per-second': number({
      title: 'How fast a client’s bucket fills.',
      default: 'none: it must be given',
      minimum: 0.0001,
      maximum: 100_000,
      examples: [10],
    }),
    burst: integer({
      title: 'Requests at once beyond the first.',
      default: 'one second’s worth',
      minimum: 0,
      maximum: 1_000_000,
      examples: [20],
    }),
    key: text({
      title: 'What a client is: `address`, or `header:NAME`.',
      description:
        'Of IPv6 the /64 that the address is in. Without the field, the address counts; whoever can ' +
        'choose values freely is not limited by a field.',
      default: 'address',
      examples: ['header:X-Api-Key'],
    }),
  },
  {
    title: 'How often each client may ask; beyond it, 429 with Retry-After.',
    description: 'All workers count together, and hits of the cache count, too.',
    default: 'none',
    examples: [{ 'requests-per-second': 10, burst: 20 }],
    required: ['requests-per-second'],
  },
);

const compression = section(
  {
    encodings: list(
      oneOf(['zstd', 'br', 'gzip'], { title: 'A content coding.', examples: ['br'] }),
      {
        title: 'Codings, the most wanted first.',
        description: 'The client’s weights come before this order (RFC 9110 §12.5.3).',
        default: COMPRESSION_ENCODINGS_DEFAULT,
        examples: [['br', 'gzip']],
        minItems: 1,
      },
    ),
    'min-size': size({
      title: 'Shorter content is left as it is.',
      default: `${COMPRESSION_SIZE_MIN_DEFAULT / 1024}KiB`,
      examples: ['1KiB'],
    }),
    types: list(text({ title: 'A media type.', minLength: 1, examples: ['text/*'] }), {
      title: 'Media types; `text/*` is all of a kind, `*+json` all with a suffix.',
      default: COMPRESSION_TYPES_DEFAULT,
      examples: [['text/html', '*+json']],
      minItems: 1,
    }),
  },
  { title: 'What is compressed, and how.', examples: [{ encodings: ['br', 'gzip'] }] },
);

const errorPages = Type.Unsafe<Readonly<Record<string, string | boolean>>>({
  type: 'object',
  properties: {
    intercept: onOff({
      title: 'Also in place of what the origin says.',
      default: 'off',
      examples: ['on'],
    }),
  },
  patternProperties: {
    '^[45](?:\\d\\d|xx)$': text({
      title: 'The file for this status; `4xx` and `5xx` are for all without one.',
      minLength: 1,
      examples: ['missing.html'],
    }),
  },
  additionalProperties: false,
  title: 'Files in place of the short texts of errors, by status.',
  description:
    'Read with the configuration, at most 256 KiB each. The suffix says what they are: html, json, ' +
    'xml, else plain text.',
  default: 'none',
  examples: [{ '404': 'missing.html', '5xx': 'broken.html' }],
});

const route = section(
  {
    name: text({
      title: 'A name, for messages, logs and metrics.',
      default: 'its place in the list',
      minLength: 1,
      examples: ['api'],
    }),
    match,
    origin: text({
      title: 'The group of origins that answers.',
      default: 'none',
      examples: ['app'],
    }),
    redirect,
    respond,
    rewrite,
    'request-headers': edits(
      'Changes of the request’s fields before the origin sees them.',
      'Values may have variables, such as ${client-address}.',
    ),
    'response-headers': edits(
      'Changes of the response’s fields before the client sees them.',
      'Values may have ${scheme}, ${host}, ${authority} and ${path}. Stored responses are stored ' +
        'without them: they are made when a response is sent.',
    ),
    'underscores-in-headers': oneOf(['pass', 'drop', 'refuse'], {
      title: 'What becomes of request fields with `_` in their names.',
      description:
        'To many origins `_` and `-` are the same. `pass`: only those that read like fields which ' +
        'sluice sets are dropped. `drop`: all are. `refuse`: the request gets 400.',
      default: 'pass',
      examples: ['drop'],
    }),
    access: list(accessRule, {
      title: 'Who may make which request: the first rule that fits decides.',
      description:
        'Without one that fits the request is allowed. Hits of the cache are no exception.',
      default: [],
      examples: [[{ allow: ['10.0.0.0/8'] }, { deny: 'all' }]],
    }),
    'rate-limit': rateLimit,
    cache: routeCacheSchema,
    compression: either(
      [onOff({ title: 'With what is listed below.', examples: ['on'] }), compression],
      {
        title: 'Compress responses.',
        description:
          'Off by default: a response with both a secret and something that the request said tells ' +
          'the secret by its compressed length (BREACH).',
        default: 'off',
        examples: ['on', { encodings: ['br', 'gzip'] }],
      },
    ),
    'error-pages': errorPages,
  },
  {
    title: 'One route: which requests, who answers, and what is done on the way.',
    examples: [{ match: { 'path-prefix': '/api' }, origin: 'app' }],
  },
);

export const routesSchema = list(route, {
  title: 'Where requests go: each takes the first route that is for it.',
  description: 'A request without a route gets 404.',
  default: 'every request to the first origin',
  examples: [[{ match: { 'path-prefix': '/api' }, origin: 'app' }]],
  minItems: 1,
});

export type RoutesEntry = Static<typeof routesSchema>;
