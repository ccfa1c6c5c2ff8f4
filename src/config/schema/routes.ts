// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import { type Static, Type } from 'typebox';
import {
  COMPRESSION_ENCODINGS_DEFAULT,
  COMPRESSION_SIZE_MIN_DEFAULT,
  COMPRESSION_TYPES_DEFAULT,
} from '../../routing/route.ts';
import { fieldValues, requestHeaders, responseHeaders } from './field-edits.ts';
import { routeCacheSchema } from './route-cache.ts';
import { maintenance, rateLimit, requestBodyMax } from './route-limits.ts';
import { methods, routeMatch } from './route-match.ts';
import {
  addressRanges,
  either,
  file,
  integer,
  list,
  oneOf,
  onOff,
  section,
  size,
  text,
} from './typed-keys.ts';

const redirect = section(
  {
    to: text({
      title: 'The Location, with variables.',
      description:
        '`$1` to `$9` are the captured groups of the route’s path-pattern, as `${path:1}` is; ' +
        '`${host:1}` is one of its host-pattern.',
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
    headers: fieldValues(
      'Headers of the response, with variables.',
      { 'Content-Type': 'text/html' },
      true,
    ),
    body: text({
      title: 'The body.',
      description: 'text/plain unless `headers` says otherwise. Variables are not replaced in it.',
      'x-variables': true,
      default: 'none',
      examples: ['ok'],
    }),
    'body-file': file({
      title: 'A file with the body.',
      description:
        'It is read with the configuration, at most 256 KiB. The suffix decides the media type: ' +
        'html, json, xml, else plain text; `headers` comes first.',
      default: 'none',
      examples: ['maintenance.html'],
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
          description: 'Variables such as `${host:1}` and `${host}` are replaced, too.',
          'x-variables': true,
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
      title: 'Put before the path, with variables such as `${host}` and `${host:1}`.',
      default: 'nothing',
      'x-variables': true,
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
    'query-set': fieldValues(
      'Query parameters that are set, with variables.',
      { source: 'edge' },
      true,
    ),
    host: text({
      'x-variables': true,
      title: 'The Host header toward the origin; `${origin}` is the origin’s own name.',
      description: 'With variables; when they make no host, the client’s is sent.',
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
    match: routeMatch,
    origin: text({
      title: 'The group of origins that answers.',
      description:
        '`${host:1}`, `${path:NAME}` and `${host}` in it name the group by the request; one that ' +
        'is none of `origins` gets 404.',
      default: 'none',
      examples: ['app'],
      'x-variables': true,
    }),
    redirect,
    respond,
    rewrite,
    'request-headers': requestHeaders,
    'response-headers': responseHeaders,
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
    'request-body-max': requestBodyMax,
    'rate-limit': rateLimit,
    maintenance,
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
