// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/** Changes of headers and cookies, and when they are made. */
import { routeMatch, valueConditions } from './route-match.ts';
import { either, list, mapOf, secretText, section, share, text } from './typed-keys.ts';

export const fieldValues = (title: string, example: Record<string, string>, variables = false) =>
  mapOf(
    secretText({ title: 'A value.', examples: Object.values(example), 'x-variables': variables }),
    { title, default: {}, examples: [example] },
  );

const hours = text({
  title: 'The time of the day in UTC, from the first to before the second.',
  description: 'It may go over midnight.',
  pattern: '^(?:[01]\\d|2[0-3]):[0-5]\\d-(?:[01]\\d|2[0-4]):[0-5]\\d$',
  default: 'the whole day',
  examples: ['22:00-06:00'],
});

const chance = share({
  title: 'A share of the requests, by chance.',
  default: '100%',
  examples: ['10%'],
});

const request = {
  match: routeMatch,
  share: chance,
  hours,
};

/** With a place of its own: where a section is the same as another, it is described there. */
const sameMatch = {
  ...request,
  match: { ...routeMatch, 'x-same-as': 'routes[].match' } as typeof routeMatch,
};

const response = {
  ...sameMatch,
  status: list(
    text({
      title: 'A status, or a class of them.',
      pattern: '^[1-5](?:\\d\\d|xx)$',
      examples: ['404'],
    }),
    { title: 'Statuses of the response.', default: 'every status', examples: [['404', '5xx']] },
  ),
  'response-headers': valueConditions({
    title: 'Headers of the response and their values, as they are before this change.',
    example: 'Content-Type',
    sameAs: 'routes[].match.headers.*',
  }),
};

const whenWords = {
  title: 'When the change is made: all conditions must hold.',
  default: 'always',
};

const whenRequest = section(sameMatch, {
  ...whenWords,
  examples: [{ match: { cookies: { lang: 'de' } } }],
});
const whenResponse = section(response, { ...whenWords, examples: [{ status: ['5xx'] }] });

interface EditWords {
  readonly title: string;
  readonly description: string;
  readonly remove: string;
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly cookie: string;
}

const lines = ({ remove, set, add, cookie }: EditWords) => ({
  remove: list(text({ title: 'A header’s name.', minLength: 1, examples: [remove] }), {
    title: 'Headers that are removed, first.',
    default: [],
    examples: [[remove]],
  }),
  set: fieldValues('Headers that are set to this value, in place of all others.', set, true),
  add: fieldValues('Headers that are added beside existing ones.', add, true),
  cookies: section(
    {
      remove: list(text({ title: 'A cookie’s name.', minLength: 1, examples: ['tracking'] }), {
        title: 'Cookies that are removed.',
        default: [],
        examples: [['tracking']],
      }),
      set: fieldValues(
        'Cookies that are set, in place of those of the same name.',
        { lang: cookie },
        true,
      ),
    },
    {
      title: 'Changes of cookies: in Cookie of requests, in Set-Cookie of responses.',
      default: 'nothing',
      examples: [{ set: { lang: cookie } }],
    },
  ),
});

function edits<W extends typeof whenRequest | typeof whenResponse>(
  words: EditWords,
  when: W,
  key: string,
) {
  const { title, description, set } = words;
  const of = (sameAs?: string) => {
    const otherwise = section(lines(words), {
      title: 'The change that is made when the conditions do not hold.',
      default: 'nothing',
      examples: [{ remove: [words.remove] }],
      'x-same-as': key,
    });
    return section(
      { ...lines(words), when, else: otherwise },
      {
        title,
        examples: [{ set }],
        ...(sameAs && { 'x-same-as': sameAs }),
      },
    );
  };
  return either(
    [of(), list(of(key), { title: 'Several, in this order.', examples: [[{ set }]] })],
    {
      title,
      description: `${description} Several changes, each with a \`when\` of its own, are a list.`,
      default: 'nothing',
      examples: [{ set }],
    },
  );
}

export const requestHeaders = edits(
  {
    title: 'Changes of the request headers before the origin sees them.',
    description: 'Values may have variables, such as ${client-address}.',
    remove: 'X-Debug',
    set: { 'X-Client': '${client-address}' },
    add: { 'X-Edge': 'sluice' },
    cookie: 'de',
  },
  whenRequest,
  'routes[].request-headers',
);

export const responseHeaders = edits(
  {
    title: 'Changes of the response headers before the client sees them.',
    description:
      'Values may have variables. Responses are stored without these changes; they are applied when ' +
      'a response is sent: once a second for a stored one, and for each request where variables or ' +
      'conditions are of the client.',
    remove: 'Server',
    set: { 'X-Frame-Options': 'DENY' },
    add: { Link: '</a.css>; rel=preload' },
    cookie: 'de; Path=/; Max-Age=3600',
  },
  whenResponse,
  'routes[].response-headers',
);
