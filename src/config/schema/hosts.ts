import type { Static } from 'typebox';
import { defaultEarlyDataPolicy } from '../../proxy/request/early-data.ts';
import { plainHost } from '../../tls/host-options.ts';
import {
  either,
  file,
  list,
  longDuration,
  oneOf,
  onOff,
  section,
  size,
  text,
} from './typed-keys.ts';

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const FIELD_NAME = "^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$";

const certificate = section(
  {
    cert: file({
      title: 'The certificate, and its issuers after it, in PEM.',
      default: 'none: it must be given',
      examples: ['/etc/sluice/example.org.pem'],
    }),
    key: file({
      title: 'Its private key, in PEM, without a passphrase.',
      default: 'none: it must be given',
      examples: ['/etc/sluice/example.org.key'],
    }),
  },
  {
    title: 'A certificate and its key.',
    examples: [{ cert: 'example.org.pem', key: 'example.org.key' }],
    required: ['cert', 'key'],
  },
);

const clientCertificates = section(
  {
    mode: oneOf(['off', 'optional', 'required'], {
      title: 'Whether clients must or may present a certificate.',
      description:
        'A certificate that is presented must be valid in either case. A resumed session ' +
        'keeps the certificate of its first handshake.',
      default: 'off',
      examples: ['required'],
    }),
    ca: file({
      title: 'The issuers that are accepted: certificates in PEM.',
      description: 'Needed unless `mode` is `off`. Their names are sent to clients.',
      default: 'none',
      examples: ['/etc/sluice/clients-ca.pem'],
    }),
    header: text({
      title: 'The header that carries the certificate to the origin (RFC 9440); `off` for none.',
      description:
        'Headers of this name that clients send are removed, as are the other two, on every ' +
        'host and connection.',
      pattern: FIELD_NAME,
      default: 'Client-Cert',
      examples: ['Client-Cert'],
    }),
    'chain-header': text({
      title: 'The header for the issuers that the client has sent (RFC 9440); `off` for none.',
      description: 'Missing in resumed sessions: tickets hold only the certificate.',
      pattern: FIELD_NAME,
      default: 'Client-Cert-Chain',
      examples: ['off'],
    }),
    'subject-header': text({
      title: 'A header for the subject alone, as `CN=alice,O=Example` (RFC 4514); `off` for none.',
      pattern: FIELD_NAME,
      default: 'off',
      examples: ['X-Client-Subject'],
    }),
  },
  {
    title: 'Certificates of clients.',
    default: 'off',
    examples: [{ mode: 'required', ca: 'clients-ca.pem' }],
    required: ['mode'],
  },
);

const tls = section(
  {
    'min-version': oneOf(versions, {
      title: 'The oldest version of TLS.',
      default: plainHost.minVersion,
      examples: ['TLSv1.3'],
    }),
    'max-version': oneOf(versions, {
      title: 'The newest version of TLS.',
      default: plainHost.maxVersion,
      examples: ['TLSv1.3'],
    }),
    ciphers: text({
      title: 'Cipher suites of TLS 1.2, by our preference, as OpenSSL names them.',
      default: plainHost.ciphers,
      examples: ['ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256'],
    }),
    'cipher-suites': text({
      title: 'Cipher suites of TLS 1.3, by our preference.',
      default: plainHost.cipherSuites,
      examples: ['TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256'],
    }),
    groups: text({
      title: 'Key exchange groups, by our preference, as OpenSSL lists them.',
      description: '`DEFAULT` begins with X25519MLKEM768 and X25519.',
      default: plainHost.groups,
      examples: ['X25519MLKEM768:X25519:P-256'],
    }),
    'client-certificates': clientCertificates,
    'ocsp-stapling': onOff({
      title: 'Send the revocation status with the certificate (RFC 6066 §8).',
      description:
        'sluice gets it from the issuer that the certificate names, in the background, and ' +
        'renews it in time. While there is none, handshakes continue without it.',
      default: 'on',
      examples: ['off'],
    }),
    'certificate-compression': onOff({
      title: 'Send the certificate compressed (RFC 8879) to clients that support it.',
      description: 'A certificate with a stapled status is sent uncompressed.',
      default: 'on',
      examples: ['off'],
    }),
  },
  {
    title: 'TLS settings for clients of this host.',
    default: {},
    examples: [{ 'min-version': 'TLSv1.3' }],
  },
);

const earlyData = section(
  {
    enabled: onOff({
      title: 'Accept early data (RFC 8446 §2.3).',
      description:
        'With `off`, early data from clients with an old ticket is skipped, and they connect ' +
        'normally.',
      default: 'on',
      examples: ['off'],
    }),
    methods: list(text({ title: 'A method.', pattern: FIELD_NAME, examples: ['GET'] }), {
      title: 'Methods of requests that are forwarded before the handshake has finished.',
      description:
        'A request with a safe method must have no body. List a method that is not safe (RFC ' +
        '9110 §9.2.1) only if the origin tolerates a replay (RFC 8470 §4).',
      default: defaultEarlyDataPolicy.methods,
      examples: [['GET', 'HEAD']],
    }),
    query: onOff({
      title: 'Whether requests with a query are forwarded before the handshake has finished.',
      default: 'on',
      examples: ['off'],
    }),
    'max-size': size({
      'x-least': 512,
      title: 'Early data that one connection may send.',
      description:
        'Applies to new tickets. Early data under an older ticket that allows more is skipped.',
      default: '16KiB',
      examples: ['4KiB'],
    }),
    'in-flight-max': size({
      'x-least': 1024,
      title: 'Early data that all unfinished handshakes of this host may send, per worker.',
      description: 'Beyond it, handshakes continue without early data.',
      default: '64MiB',
      examples: ['8MiB'],
    }),
    'excluded-paths': list(text({ title: 'A path.', pattern: '^/', examples: ['/buy'] }), {
      title: 'Paths of requests that are not forwarded early, in every spelling.',
      description:
        '`/buy` is that path and all below it; `/buy*` is every path that begins with it.',
      default: [],
      examples: [['/buy', '/transfer*']],
    }),
    otherwise: oneOf(['hold', 'too-early', 'forward'], {
      title: 'What happens to all other requests in early data.',
      description:
        '`hold`: they wait until the handshake has finished. `too-early`: they get 425 (RFC ' +
        '8470 §5.2), and the client retries. `forward`: they are forwarded with `Early-Data: ' +
        '1`, and the origin decides. Fresh cached responses are served in any case.',
      default: defaultEarlyDataPolicy.otherwise,
      examples: ['too-early'],
    }),
  },
  {
    title: 'Early data, and which requests it may carry.',
    examples: [{ methods: ['GET'], query: 'off' }],
  },
);

const hsts = section(
  {
    'max-age': longDuration({
      title: 'How long browsers remember it.',
      default: '365d',
      examples: ['30d'],
    }),
    'include-subdomains': onOff({
      title: 'Whether it is for all names below, too.',
      default: 'off',
      examples: ['on'],
    }),
    preload: onOff({
      title: 'Whether browsers may ship it in their list of hosts.',
      description: 'Needs include-subdomains and a year. To be taken off the list takes months.',
      default: 'off',
      examples: ['on'],
    }),
  },
  { title: 'What browsers are told.', examples: [{ 'max-age': '30d' }] },
);

const acmeWord = oneOf(['acme'], {
  title: 'Certificates that sluice gets and renews by itself.',
  examples: ['acme'],
});

const certificateList = list(certificate, {
  title: 'Certificates from files.',
  examples: [[{ cert: 'example.org.pem', key: 'example.org.key' }]],
  minItems: 1,
});

const host = section(
  {
    names: list(text({ title: 'A name.', minLength: 1, examples: ['example.org'] }), {
      title: 'Server names (SNI) that this host is for.',
      description:
        '`*.example.org` is every name with one more label. The first host is the default: ' +
        'it serves names that no host has, and clients without SNI. A request must meet the ' +
        'demands of the host of its name (TLS version, client certificate), on every ' +
        'connection. A name that no host has must meet the demands of the first host, of ' +
        'each host whose name it lies below, and of each host that a route names together ' +
        'with it.',
      default: [],
      examples: [['example.org', '*.example.org']],
    }),
    certificates: either([acmeWord, certificateList], {
      title: 'Certificates, at most one for each type of key; or `acme`.',
      description:
        'The client’s signature schemes choose between RSA, ECDSA and Ed25519. Files that ' +
        'change are reloaded within seconds; when a new file cannot be used, the previous ' +
        'one stays. With `acme`, sluice gets a certificate for all names of the host from an ' +
        'authority, and renews it; see the section `acme`.',
      default: 'none: it must be given',
      examples: [[{ cert: 'example.org.pem', key: 'example.org.key' }], 'acme'],
    }),
    'redirect-to-https': onOff({
      title: 'Answer requests without TLS for these names with a redirect to https.',
      description:
        'With 308, before any route. A host without names does so for every name. As the flag ' +
        '`--redirect-to-https`, which is for all hosts.',
      default: 'off',
      examples: ['on'],
    }),
    hsts: either([onOff({ title: 'For a year.', default: 'off', examples: ['on'] }), hsts], {
      title: 'Tell browsers to use https alone for these names (RFC 6797).',
      description:
        'Sends Strict-Transport-Security with every response of a route over TLS. Browsers keep to it ' +
        'until its time is over, whatever changes here.',
      default: 'off',
      examples: ['on', { 'max-age': '30d', 'include-subdomains': 'on' }],
    }),
    tls,
    'early-data': either(
      [onOff({ title: 'On or off.', default: 'on', examples: ['off'] }), earlyData],
      {
        title: 'Early data (0-RTT), and which requests it may carry.',
        default: 'on',
        examples: ['off'],
      },
    ),
  },
  {
    title: 'One host.',
    examples: [
      {
        names: ['example.org'],
        certificates: [{ cert: 'example.org.pem', key: 'example.org.key' }],
      },
    ],
    required: ['certificates'],
  },
);

export const hostsSchema = list(host, {
  title: 'Certificates and TLS settings, by host name.',
  description:
    'Each host has its own settings; none is inherited from the first. Cannot be used ' +
    'together with `cert` and `key`, which are short for it, nor with `early-data`.',
  default: 'one, with the certificate of `cert` or a self-signed one',
  examples: [
    [
      {
        names: ['example.org'],
        certificates: [{ cert: 'example.org.pem', key: 'example.org.key' }],
      },
    ],
  ],
  minItems: 1,
});

export type HostsEntry = Static<typeof hostsSchema>;
