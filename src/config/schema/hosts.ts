import type { Static } from 'typebox';
import { defaultEarlyDataPolicy } from '../../proxy/request/early-data.ts';
import { plainHost } from '../../tls/host-options.ts';
import { either, file, list, oneOf, onOff, section, size, text } from './kinds.ts';

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
      title: 'Whether clients are asked for a certificate, and served without one.',
      description:
        'One that is shown must be valid in either case. After a resumption it is the one of the ' +
        'first handshake, for as long as the ticket holds.',
      default: 'off',
      examples: ['required'],
    }),
    ca: file({
      title: 'Who may have issued them: certificates in PEM.',
      description: 'Needed unless `mode` is `off`. Clients are told their names.',
      default: 'none',
      examples: ['/etc/sluice/clients-ca.pem'],
    }),
    header: text({
      title: 'The field that tells the origin the certificate (RFC 9440); `off` for none.',
      description:
        'Fields of this name that clients send themselves are removed, as are the other two, on every ' +
        'host and connection.',
      pattern: FIELD_NAME,
      default: 'Client-Cert',
      examples: ['Client-Cert'],
    }),
    'chain-header': text({
      title: 'The field for the issuers that the client has sent (RFC 9440); `off` for none.',
      description: 'Not there after a resumption: tickets hold the certificate alone.',
      pattern: FIELD_NAME,
      default: 'Client-Cert-Chain',
      examples: ['off'],
    }),
    'subject-header': text({
      title: 'A field for the subject alone, as `CN=alice,O=Example` (RFC 4514); `off` for none.',
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
        'Asked of the issuer that the certificate names, in the background, and renewed in time. ' +
        'While there is none, handshakes go on without it.',
      default: 'on',
      examples: ['off'],
    }),
    'certificate-compression': onOff({
      title: 'Send the certificate compressed (RFC 8879) to clients that take it so.',
      description: 'Not for a certificate with a stapled status, which goes as it is.',
      default: 'on',
      examples: ['off'],
    }),
  },
  {
    title: 'What is spoken with clients of this host.',
    default: {},
    examples: [{ 'min-version': 'TLSv1.3' }],
  },
);

const earlyData = section(
  {
    enabled: onOff({
      title: 'Accept early data (RFC 8446 §2.3).',
      description: 'Off breaks no client with an old ticket: what it sends early is skipped.',
      default: 'on',
      examples: ['off'],
    }),
    methods: list(text({ title: 'A method.', pattern: FIELD_NAME, examples: ['GET'] }), {
      title: 'Methods of requests that go on to the origin at once.',
      description:
        'Without content, unless the method is not safe (RFC 9110 §9.2.1): those the origin must be ' +
        'able to bear twice (RFC 8470 §4).',
      default: defaultEarlyDataPolicy.methods,
      examples: [['GET', 'HEAD']],
    }),
    query: onOff({
      title: 'Whether requests with a query go on at once.',
      default: 'on',
      examples: ['off'],
    }),
    'max-size': size({
      title: 'Early data that one connection may send.',
      description: 'In tickets from now on; those of before that allow more give none.',
      default: '16KiB',
      examples: ['4KiB'],
    }),
    'in-flight-max': size({
      title: 'Early data that all unfinished handshakes of this host may send, per worker.',
      description: 'Beyond it handshakes go on without early data.',
      default: '64MiB',
      examples: ['8MiB'],
    }),
    'refused-paths': list(text({ title: 'A path.', pattern: '^/', examples: ['/buy'] }), {
      title: 'Paths of requests that do not go on at once, however they are spelled.',
      description: '`/buy` is that path and all below it; `/buy*` is all that begins so.',
      default: [],
      examples: [['/buy', '/transfer*']],
    }),
    otherwise: oneOf(['hold', 'too-early', 'forward'], {
      title: 'What becomes of the other requests.',
      description:
        '`hold`: they wait for the end of the handshake. `too-early`: they are answered 425 (RFC ' +
        '8470 §5.2), and the client asks again. `forward`: they go on, marked `Early-Data: 1`, and ' +
        'the origin decides. Fresh stored responses are served in any case.',
      default: defaultEarlyDataPolicy.otherwise,
      examples: ['too-early'],
    }),
  },
  {
    title: 'Early data, and which requests may be in it.',
    examples: [{ methods: ['GET'], query: 'off' }],
  },
);

const host = section(
  {
    names: list(text({ title: 'A name.', minLength: 1, examples: ['example.org'] }), {
      title: 'Names that clients ask for in the handshake (SNI).',
      description:
        '`*.example.org` is every name with one more label. Names that no host has, and clients ' +
        'that ask for none, get the first host. A request is held to what the host of its name asks of ' +
        'clients, over whichever connection it comes. A name that no host has is held to what is asked ' +
        'by the first host, by each whose name it lies below, and by each that a route names together ' +
        'with it.',
      default: [],
      examples: [['example.org', '*.example.org']],
    }),
    certificates: list(certificate, {
      title: 'Certificates, at most one of each kind of key.',
      description:
        'RSA, ECDSA, Ed25519: the client’s signature schemes choose. Files that change are taken in ' +
        'within seconds; those that cannot be used leave the old ones.',
      default: 'none: it must be given',
      examples: [[{ cert: 'example.org.pem', key: 'example.org.key' }]],
      minItems: 1,
    }),
    tls,
    'early-data': either(
      [onOff({ title: 'On or off.', default: 'on', examples: ['off'] }), earlyData],
      {
        title: 'Early data (0-RTT), and which requests may be in it.',
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
  title: 'Certificates and what TLS is like, by host name.',
  description:
    'Each has its own, whichever is the first. Cannot stand beside `cert` and `key`, which are ' +
    'short for it, nor `early-data`.',
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
