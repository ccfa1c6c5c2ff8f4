// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/** The conditions of routes and of what they are not for. */
import {
  addressRanges,
  either,
  integer,
  list,
  mapOf,
  oneOf,
  onOff,
  secretText,
  section,
  text,
} from './typed-keys.ts';

const METHOD = "^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$";

export const methods = (title: string) =>
  list(text({ title: 'A method.', pattern: METHOD, examples: ['GET'] }), {
    title,
    description: 'GET includes HEAD. Methods are upper case.',
    default: 'every method',
    examples: [['GET', 'POST']],
  });

/** How a value is compared. `sameAs`: the key where that is described, when it is not here. */
function comparison(sameAs?: string) {
  return section(
    {
      exact: secretText({ title: 'The whole value.', default: 'none', examples: ['yes'] }),
      prefix: secretText({
        title: 'How the value begins.',
        default: 'none',
        examples: ['Mozilla/'],
      }),
      suffix: secretText({ title: 'How the value ends.', default: 'none', examples: ['.example'] }),
      contains: secretText({
        title: 'A part of the value.',
        default: 'none',
        examples: ['BadBot'],
      }),
      pattern: secretText({
        title: 'A regular expression, as path-pattern.',
        default: 'none',
        examples: ['^(?:a|b)$'],
      }),
      'ignore-case': onOff({
        title: 'Whether upper and lower case are the same.',
        default: 'off',
        examples: ['on'],
      }),
    },
    {
      title: 'How the value is compared: one of the first five.',
      examples: [{ contains: 'BadBot', 'ignore-case': 'on' }],
      ...(sameAs && { 'x-same-as': sameAs }),
    },
  );
}

interface ConditionWords {
  readonly title: string;
  readonly description?: string;
  readonly example: string;
  readonly sameAs?: string;
}

/** Conditions for values by name: of headers, cookies or parameters. */
export const valueConditions = ({ example, sameAs, ...words }: ConditionWords) =>
  mapOf(
    either(
      [
        secretText({
          title: 'The value; `*` is any value, `abc*` every value that begins with abc.',
          examples: ['yes'],
        }),
        comparison(sameAs),
      ],
      {
        title:
          'The value, or how it is compared; `*` is any value, `abc*` every value that begins ' +
          'with abc.',
        examples: ['yes', { contains: 'BadBot', 'ignore-case': 'on' }],
      },
    ),
    { ...words, default: 'none', examples: [{ [example]: 'yes' }] },
  );

const hostNames = (words: { readonly title: string; readonly default: string }) =>
  list(text({ title: 'A host name.', minLength: 1, examples: ['example.org'] }), {
    ...words,
    description:
      '`*.example.org` is every name with one more label. Case, port and a final dot do not matter.',
    examples: [['example.org', '*.example.org']],
  });

const tls = section(
  {
    versions: list(oneOf(['TLSv1.2', 'TLSv1.3'], { title: 'A version.', examples: ['TLSv1.2'] }), {
      title: 'Versions of TLS.',
      default: 'every version',
      examples: [['TLSv1.2']],
    }),
    'server-names': hostNames({
      title: 'Names that the client asked for in its handshake (SNI).',
      default: 'every name',
    }),
    'client-certificate': onOff({
      title: 'Whether the client has presented a certificate.',
      description:
        'It is asked for one by `hosts[].tls.client-certificates`, and then it is valid.',
      default: 'either',
      examples: ['on'],
    }),
  },
  {
    title: 'Facts of the handshake.',
    description: 'Requests without TLS have no version, no name and no certificate.',
    default: 'none',
    examples: [{ versions: ['TLSv1.2'] }],
  },
);

/** All but `not`, which has the same. */
const conditions = {
  scheme: oneOf(['http', 'https'], {
    title: 'The scheme of the request: whether it came over TLS.',
    default: 'both',
    examples: ['http'],
  }),
  hosts: hostNames({ title: 'Names in Host or :authority.', default: 'every host' }),
  'host-pattern': text({
    title: 'A regular expression for the host: in lower case, without port and final dot.',
    description:
      'Found anywhere in the name unless anchored by ^ and $. `${host:1}` to `${host:9}` and ' +
      '`${host:NAME}` are what its groups have matched, in rewrites, redirects, headers and `origin`.',
    default: 'every host',
    examples: ['^(.+)\\.cdn\\.example\\.org$'],
    'x-variables': true,
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
      'back-references and large {n,m} are refused. `${path:1}` to `${path:9}` and `${path:NAME}` ' +
      'are what its groups have matched, in rewrites, redirects, headers and `origin`.',
    default: 'every path',
    examples: ['^/users/(\\d+)$'],
  }),
  'ignore-case': onOff({
    title: 'Whether upper and lower case are the same in path-prefix and path-pattern.',
    default: 'off',
    examples: ['on'],
  }),
  methods: methods('Methods of the request.'),
  headers: valueConditions({
    title: 'Headers of the request and their values.',
    description: 'Several lines of one name are one value, with commas between them.',
    example: 'X-Beta',
  }),
  cookies: valueConditions({
    title: 'Cookies of the request and their values.',
    description:
      'What this route stores is not served to others, so that a route for `session: "*"` with ' +
      '`cache: {enabled: off}` before another one keeps the pages of users out of the cache.',
    example: 'session',
    sameAs: 'routes[].match.headers.*',
  }),
  query: valueConditions({
    title: 'Parameters of the query and their values, decoded.',
    description: 'Of several of one name, one must be so.',
    example: 'debug',
    sameAs: 'routes[].match.headers.*',
  }),
  from: addressRanges({
    title: 'Addresses of the client.',
    description: 'With the PROXY protocol it is the client that the header names.',
    default: 'everywhere',
    examples: [['10.0.0.0/8']],
  }),
  ports: list(integer({ title: 'A port.', minimum: 1, maximum: 65_535, examples: [8443] }), {
    title: 'Ports of the listener that the client connected to.',
    default: 'every listener',
    examples: [[8443]],
  }),
  websocket: onOff({
    title: 'Whether the request opens a WebSocket, over HTTP/1.1 or later.',
    default: 'either',
    examples: ['on'],
  }),
  tls,
};

const not = section(conditions, {
  title: 'Conditions of which not all may hold; the keys are those of match.',
  'x-same-as': 'routes[].match',
  examples: [{ headers: { Referer: { prefix: 'https://example.org/' } } }],
});

export const routeMatch = section(
  {
    ...conditions,
    not: either([not, list(not, { title: 'Several.', examples: [[{ methods: ['POST'] }]] })], {
      title: 'Requests that the route is not for: those that meet all conditions here.',
      description: 'In a list, those that one of its entries is for.',
      default: 'none',
      examples: [
        { headers: { Referer: { prefix: 'https://example.org/' } } },
        [{ methods: ['POST'] }, { 'path-prefix': '/api' }],
      ],
    }),
  },
  {
    title: 'Which requests the route is for: all conditions must hold.',
    default: 'every request',
    examples: [{ hosts: ['example.org'], 'path-prefix': '/api' }],
  },
);
