/**
 * The scripts of tlsfuzzer for TLS 1.3: which are run against sluice and how, what in them is known to
 * fail and why, and which do not fit. What stands here without being true makes the test fail.
 */

export interface TlsScript {
  readonly name: string;
  /** The key of the server's certificate; RSA unless said. */
  readonly certificate?: 'ecdsa';
  readonly words?: readonly string[];
  /** Takes many seconds, whatever number of probes is asked for: by hand only. */
  readonly isSlow?: boolean;
  /** Probes that fail, and the reason. */
  readonly exceptions?: readonly (readonly [probe: RegExp, reason: string])[];
}

const DECODE_ERROR =
  'OpenSSL says illegal_parameter of a message that is too long, not decode_error';
const NO_ANSWER = 'OpenSSL leaves a record of the greatest length there is unanswered';
const SUITE_OF_TLS12 = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', '-M'];

export const tlsScripts: readonly TlsScript[] = [
  {
    name: '0rtt-garbage',
    exceptions: [[/downgrade to TLS 1\.2/, 'offers only suites of TLS 1.2 that are not taken']],
  },
  { name: 'ccs' },
  {
    name: 'certificate-compression',
    exceptions: [
      [/^smoke, brotli$/, 'tlslite-ng cannot unpack it: its copy of the dictionary is not loaded'],
      [/TLS-1\.2$/, 'offers no suite of TLS 1.2 that is taken'],
    ],
  },
  { name: 'connection-abort' },
  { name: 'conversation' },
  { name: 'count-tickets', words: ['-t', '2'] },
  {
    name: 'crfg-curves',
    exceptions: [[/^empty x/, 'OpenSSL says decode_error of an empty key share, which it is']],
  },
  { name: 'dhe-shared-secret-padding', isSlow: true },
  { name: 'ecdhe-curves' },
  {
    name: 'ecdsa-support',
    certificate: 'ecdsa',
    exceptions: [[/secp384r1|secp521r1|brainpool/, 'the certificate has a key on P-256']],
  },
  { name: 'empty-alert' },
  {
    name: 'ffdhe-groups',
    exceptions: [
      [/ffdhe(4096|6144|8192)/, 'groups that are not taken'],
      [/empty key share entry/, 'OpenSSL says decode_error of an empty key share, which it is'],
      [/duplicated key share/, 'OpenSSL takes the first of two shares of one group'],
    ],
  },
  {
    name: 'ffdhe-sanity',
    exceptions: [[/^ffdhe(4096|6144|8192)$/, 'groups that are not taken']],
  },
  { name: 'finished', exceptions: [[/^padding - .* pad_right \d+$/, DECODE_ERROR]] },
  { name: 'finished-plaintext' },
  { name: 'hrr' },
  { name: 'invalid-ciphers' },
  { name: 'keyshare-omitted' },
  {
    name: 'keyupdate',
    isSlow: true,
    exceptions: [
      [
        /^app data split, conversation with KeyUpdate msg$/,
        'our KeyUpdate goes out before our next data (RFC 8446 §4.6.3), not before it is asked for',
      ],
      [/^large KeyUpdate message$/, DECODE_ERROR],
    ],
  },
  {
    name: 'legacy-version',
    exceptions: [[/^version \(3, 0\)$/, 'OpenSSL says handshake_failure to SSL 3.0']],
  },
  {
    name: 'multiple-ccs-messages',
    exceptions: [
      [/CCS/, 'OpenSSL says decode_error of a record with several, and ends without waiting'],
    ],
  },
  {
    name: 'no-unknown-groups',
    words: ['--groups', 'x25519,secp256r1,x448,secp384r1,secp521r1,ffdhe2048,ffdhe3072'],
    exceptions: [[/between 4\d\d\d and 4\d\d\d/, 'X25519MLKEM768 is among those called unknown']],
  },
  { name: 'nociphers' },
  { name: 'obsolete-curves', words: ['-a', 'handshake_failure', '--relaxed'] },
  { name: 'pkcs-signature' },
  {
    name: 'record-layer-limits',
    isSlow: true,
    exceptions: [
      [/^max size of Finished msg/, NO_ANSWER],
      [/^max size payload .* of Finished msg/, DECODE_ERROR],
      [/^too big plaintext/, 'OpenSSL counts what is left of a record without its padding'],
    ],
  },
  { name: 'record-padding' },
  { name: 'rsa-signatures' },
  { name: 'serverhello-random' },
  {
    name: 'session-resumption',
    words: ['--tls1.2-cipher', ...SUITE_OF_TLS12],
    exceptions: [
      [/PSK_ONLY/, 'resumption without a key exchange is not forward secret, and not taken'],
      [/^use TLS 1\.2 ticket in TLS 1\.3$/, 'OpenSSL ends it with decode_error'],
    ],
  },
  {
    name: 'shuffled-extentions',
    exceptions: [[/^HRR/, 'OpenSSL does not compare the order in the second ClientHello']],
  },
  { name: 'signature-algorithms' },
  {
    name: 'symetric-ciphers',
    exceptions: [[/AES_128_CCM/, 'suites that are not taken']],
  },
  { name: 'unencrypted-alert' },
  { name: 'unrecognised-groups' },
  {
    name: 'version-negotiation',
    words: ['-C', ...SUITE_OF_TLS12],
    exceptions: [[/to 1\.[01]$/, 'versions before TLS 1.2 are not taken (RFC 8996)']],
  },
  { name: 'zero-content-type' },
  { name: 'zero-length-data' },
];

const CLIENT_CERTIFICATE = 'is about certificates of clients';
const CERTIFICATE = 'needs another certificate of the server';

/** The other scripts for TLS 1.3, each with its reason. */
export const leftOut: Readonly<Record<string, string>> = {
  'certificate-request': CLIENT_CERTIFICATE,
  'certificate-verify': CLIENT_CERTIFICATE,
  'client-certificate-compression': CLIENT_CERTIFICATE,
  'ecdhe-brainpool-curves': 'groups that are not taken',
  'ecdsa-brainpool-in-certificate-verify': CLIENT_CERTIFICATE,
  'ecdsa-in-certificate-verify': CLIENT_CERTIFICATE,
  eddsa: CERTIFICATE,
  'eddsa-in-certificate-verify': CLIENT_CERTIFICATE,
  'keyupdate-from-server': 'asks for a page at which the server renews its keys',
  'large-number-of-extensions':
    'does not expect supported_groups in EncryptedExtensions, which RFC 8446 §4.2.7 allows',
  lengths: 'needs a server that sends back what it gets',
  minerva: 'measures time, for hours',
  'mldsa-in-certificate-verify': CLIENT_CERTIFICATE,
  mlkem: 'needs a library that Debian has not',
  'non-support': 'is for servers without TLS 1.3',
  'post-handshake-auth': CLIENT_CERTIFICATE,
  psk_dhe_ke: 'needs a key that was agreed on beforehand',
  psk_ke: 'needs a key that was agreed on beforehand',
  'rsapss-signatures': CERTIFICATE,
};
