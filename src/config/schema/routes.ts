// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import { type Static, Type } from 'typebox';
import {
  COMPRESSION_ENCODINGS_DEFAULT,
  COMPRESSION_SIZE_MIN_DEFAULT,
  COMPRESSION_TYPES_DEFAULT,
} from '../../routing/route.ts';
import { routeCacheSchema } from './route-cache.ts';
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
} from './typed-keys.ts';

const METHOD = "^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$";

const methods = (title: string) =>
  list(text({ title: 'A method.', pattern: METHOD, examples: ['GET'] }), {
    title,
    description: 'GET includes HEAD. Methods are upper case.',
    default: 'every method',
    examples: [['GET', 'POST']],
  });

const fieldValues = (title: string, example: Record<string, string>, variables = false) =>
  mapOf(
    secretText({ title: 'A value.', examples: Object.values(example), 'x-variables': variables }),
    {
      title,
      default: {},
      examples: [example],
    },
  );

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
      title: 'The beginning of the path.',
      description:
        '`/api` is that path and all below it, not `/apix`; `/api*` is every path that ' +
        'begins with it. Paths are compared in their normal form, without query. A path that ' +
        'could be read as paths of different routes is refused.',
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
      'Headers of the request and their values; `*` is any value, `abc*` every value that ' +
        'begins with abc.',
      {
        'X-Beta': 'yes',
      },
    ),
    from: addressRanges({
      title: 'Addresses of the client.',
      description: 'With the PROXY protocol it is the client that the header names.',
      default: 'everywhere',
      examples: [['10.0.0.0/8']],
    }),
  },
  {
    title: 'Which requests the route is for: all conditions must hold.',
    default: 'every request',
    examples: [{ hosts: ['example.org'], 'path-prefix': '/api' }],
  },
);

const redirect = section(
  {
    to: text({
      title: 'The Location, with variables.',
      description: '`$1` to `$9` are the captured groups of the route’s path-pattern.',
      default: 'none: it must be given',
      minLength: 1,
      examples: ['https://${host}${target}'],
      'x-variables': true,
    }),
    status: oneOf([301, 302, 303, 307, 308], {
      title: 'The status.',
      description: '308 keeps the method and is permanent; 307 keeps the method and is temporary.',
      default: 308,
      examples: [301],
    }),
  },
  {
    title: 'Answer with a redirect; no origin is contacted.',
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
    headers: fieldValues('Headers of the response.', { 'Content-Type': 'text/html' }, true),
    body: text({
      title: 'The body.',
      description: 'text/plain unless `headers` says otherwise. Variables are not replaced in it.',
      'x-variables': true,
      default: 'none',
      examples: ['ok'],
    }),
  },
  {
    title: 'Answer with a fixed response; no origin is contacted.',
    default: 'none',
    examples: [{ status: 200, body: 'ok' }],
    required: ['status'],
  },
);

const rewrite = section(
  {
    'strip-prefix': text({
      title: 'Removed from the beginning of the path.',
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
          title: 'The replacement of its first match; `$1` and so on are the captured groups.',
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
        title: 'Query parameters that are removed; `utm_*` is every name that begins with it.',
        default: [],
        examples: [['utm_*']],
      },
    ),
    'query-set': fieldValues('Query parameters that are set.', { source: 'edge' }),
    host: text({
      'x-variables': true,
      title: 'The Host header toward the origin; `${origin}` is the origin’s own name.',
      default: 'as the client sent it',
      examples: ['backend.internal'],
    }),
    'map-location': onOff({
      title: 'Apply the reverse change to Location and Content-Location of responses.',
      description:
        'Removed and added prefixes are restored, and the origin’s own name is replaced by ' +
        'the name that the client used. Locations elsewhere stay as they are, and so does a ' +
        'path that already has the prefix. It has no effect with `replace`, which cannot be ' +
        'reversed.',
      default: 'on',
      examples: ['off'],
    }),
  },
  {
    title: 'Changes of the target on the way to the origin, in this order.',
    description: 'The cache key is still the target that the client sent.',
    default: 'nothing',
    examples: [{ 'strip-prefix': '/api' }],
  },
);

interface EditExamples {
  readonly remove: string;
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
}

const edits = (title: string, description: string, { remove, set, add }: EditExamples) =>
  section(
    {
      remove: list(text({ title: 'A header’s name.', minLength: 1, examples: [remove] }), {
        title: 'Headers that are removed, first.',
        default: [],
        examples: [[remove]],
      }),
      set: fieldValues('Headers that are set to this value, in place of all others.', set, true),
      add: fieldValues('Headers that are added beside existing ones.', add, true),
    },
    { title, description, default: 'nothing', examples: [{ set }] },
  );

const accessRanges = (title: string) =>
  either([oneOf(['all'], { title: 'All clients.', examples: ['all'] }), addressRanges({ title })], {
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
      title: 'Paths that the rule is for, in every spelling.',
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
      title: 'The rate that one client may have on average.',
      default: 'none: it must be given',
      minimum: 0.0001,
      maximum: 100_000,
      examples: [10],
    }),
    burst: integer({
      title: 'Requests that may come at the same time beyond the first.',
      default: 'one second’s worth',
      minimum: 0,
      maximum: 1_000_000,
      examples: [20],
    }),
    key: text({
      title: 'What identifies a client: `address`, or `header:NAME`.',
      description:
        'An IPv6 client is identified by its /64. Requests without the header are counted by ' +
        'address. A client that can choose the header’s value freely is not limited by it.',
      default: 'address',
      examples: ['header:X-Api-Key'],
    }),
  },
  {
    title: 'How many requests each client may send; beyond it, 429 with Retry-After.',
    description: 'All workers count together. Cache hits count, too.',
    default: 'none',
    examples: [{ 'requests-per-second': 10, burst: 20 }],
    required: ['requests-per-second'],
  },
);

const compression = section(
  {
    encodings: list(
      oneOf(['zstd', 'br', 'gzip'], { title: 'A content encoding.', examples: ['br'] }),
      {
        title: 'Encodings, the preferred one first.',
        description: 'The client’s weights take precedence over this order (RFC 9110 §12.5.3).',
        default: COMPRESSION_ENCODINGS_DEFAULT,
        examples: [['br', 'gzip']],
        minItems: 1,
      },
    ),
    'min-size': size({
      title: 'Shorter bodies are not compressed.',
      default: `${COMPRESSION_SIZE_MIN_DEFAULT / 1024}KiB`,
      examples: ['1KiB'],
    }),
    types: list(text({ title: 'A media type.', minLength: 1, examples: ['text/*'] }), {
      title: 'Media types; `text/*` is every subtype, `*+json` every type with that suffix.',
      default: COMPRESSION_TYPES_DEFAULT,
      examples: [['text/html', '*+json']],
      minItems: 1,
    }),
  },
  { title: 'Which responses are compressed, and how.', examples: [{ encodings: ['br', 'gzip'] }] },
);

const errorPages = Type.Unsafe<Readonly<Record<string, string | boolean>>>({
  type: 'object',
  properties: {
    intercept: onOff({
      title: 'Also replace error responses of the origin.',
      default: 'off',
      examples: ['on'],
    }),
  },
  patternProperties: {
    '^[45](?:\\d\\d|xx)$': text({
      title:
        'The file for this status; `4xx` and `5xx` are for all statuses without one of their own.',
      minLength: 1,
      examples: ['missing.html'],
    }),
  },
  additionalProperties: false,
  title: 'Files in place of the built-in error texts, by status.',
  description:
    'They are read with the configuration, at most 256 KiB each. The suffix decides the ' +
    'media type: html, json, xml, else plain text.',
  default: 'none',
  examples: [{ '404': 'missing.html', '5xx': 'broken.html' }],
});

const route = section(
  {
    name: text({
      title: 'A name, for messages, logs and metrics.',
      default: 'its index in the list',
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
      'Changes of the request headers before the origin sees them.',
      'Values may have variables, such as ${client-address}.',
      { remove: 'X-Debug', set: { 'X-Client': '${client-address}' }, add: { 'X-Edge': 'sluice' } },
    ),
    'response-headers': edits(
      'Changes of the response headers before the client sees them.',
      'Values may have ${scheme}, ${host}, ${authority} and ${path}. Responses are stored ' +
        'without these changes; they are applied when a response is sent.',
      {
        remove: 'Server',
        set: { 'X-Frame-Options': 'DENY' },
        add: { Link: '</a.css>; rel=preload' },
      },
    ),
    'underscores-in-headers': oneOf(['pass', 'drop', 'refuse'], {
      title: 'What happens to request headers with `_` in their names.',
      description:
        'To many origins `_` and `-` are the same. `pass`: only headers that look like those ' +
        'that sluice sets are dropped. `drop`: all are dropped. `refuse`: the request gets ' +
        '400.',
      default: 'pass',
      examples: ['drop'],
    }),
    access: list(accessRule, {
      title: 'Which clients may make which requests: the first rule that matches decides.',
      description:
        'If no rule matches, the request is allowed. The rules also apply to cache hits.',
      default: [],
      examples: [[{ allow: ['10.0.0.0/8'] }, { deny: 'all' }]],
    }),
    'rate-limit': rateLimit,
    cache: routeCacheSchema,
    compression: either(
      [onOff({ title: 'With the defaults below.', examples: ['on'] }), compression],
      {
        title: 'Compress responses.',
        description:
          'Off by default: when a response has both a secret and something from the request, ' +
          'its compressed length can reveal the secret (BREACH).',
        default: 'off',
        examples: ['on', { encodings: ['br', 'gzip'] }],
      },
    ),
    'error-pages': errorPages,
  },
  {
    title:
      'One route: which requests it is for, what answers them, and what is changed on the way.',
    examples: [{ match: { 'path-prefix': '/api' }, origin: 'app' }],
  },
);

export const routesSchema = list(route, {
  title: 'Where requests go: the first route that matches wins.',
  description: 'A request without a route gets 404.',
  default: 'every request to the first origin',
  examples: [[{ match: { 'path-prefix': '/api' }, origin: 'app' }]],
  minItems: 1,
});

export type RoutesEntry = Static<typeof routesSchema>;
