/** Cases of http-cache-tests that sluice does not pass, by edition and id, each with the reason. */
import type { EditionName } from './cache-tests-package.ts';

const wrongPart =
  'its Content-Range names 6 bytes and its content has 5: such a part cannot be placed';

/** Of both editions. */
const both: Readonly<Record<string, string>> = {
  'headers-store-Transfer-Encoding':
    'wants a response stored whose transfer coding nobody knows. RFC 9112 §6.3 says where its ' +
    'content ends, not what it is: to store it still coded, without the field that says so, would ' +
    'serve wrong bytes. An error instead, as all proxies of cache-tests.fyi but one have it',
  'conditional-lm-fresh-no-lm':
    'expects 304 to an If-Modified-Since that is older than the Date of a response without ' +
    'Last-Modified; RFC 9111 §4.3.2 compares with Date, so it has been modified since',
  'partial-store-partial-reuse-partial': wrongPart,
  'partial-store-partial-reuse-partial-byterange': wrongPart,
  'partial-store-partial-reuse-partial-absent': wrongPart,
  'partial-store-partial-reuse-partial-suffix': wrongPart,
  'partial-store-partial-complete':
    'its part has no validator: what would come for `bytes=5-` could not be combined with it ' +
    '(RFC 9111 §3.4), so all of it is asked for',
};

const age =
  'the current edition asks for the opposite: of several or odd Ages the first counts, if valid';

const ownError =
  'takes the 502 that sluice makes for a stored response, for want of a field of the origin; passes in ' +
  'the current edition';

export const ignoredCases: Record<EditionName, Readonly<Record<string, string>>> = {
  published: {
    ...both,
    'age-parse-nonnumeric': age,
    'age-parse-negative': age,
    'age-parse-float': age,
    'age-parse-prefix-twoline': age,
    'age-parse-dup-0': age,
    'age-parse-dup-0-twoline': age,
    'age-parse-dup-old': age,
    'age-parse-parameter': 'the current edition only looks what a cache does with it',
    'age-parse-numeric-parameter': 'the current edition only looks what a cache does with it',
    'stale-close-must-revalidate': ownError,
    'stale-close-proxy-revalidate': ownError,
    'stale-close-no-cache': ownError,
    'stale-close-s-maxage=2': ownError,
    '304-etag-update-response-Content-MD5':
      'the current edition asks for the opposite: a 304 updates Content-MD5 (RFC 9111 §3.2)',
    '304-etag-update-response-ETag':
      'its 304 bears another strong ETag than was asked about, which confirms nothing that is stored ' +
      '(RFC 9111 §4.3.4)',
  },
  current: both,
};
