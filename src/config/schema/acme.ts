import type { Static } from 'typebox';
import { flagKey } from './flags.ts';
import { either, file, list, oneOf, secretText, section, text } from './typed-keys.ts';

const directory = text({
  title: 'An authority: the URL of its directory, or letsencrypt or letsencrypt-staging.',
  minLength: 1,
  examples: ['letsencrypt-staging'],
});

const externalAccount = section(
  {
    'key-id': text({
      title: 'The identifier of the key.',
      default: 'none: it must be given',
      examples: ['kid-1'],
      minLength: 1,
    }),
    key: secretText({
      title: 'The key, in base64url, as the authority gives it.',
      minLength: 1,
      default: 'none: it must be given',
      examples: ['zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W'],
    }),
  },
  {
    title: 'An account that the authority has made before (RFC 8555 §7.3.4).',
    description: 'For the first directory. It is used once, when the account is registered.',
    default: 'none',
    examples: [{ 'key-id': 'kid-1', key: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3M' }],
    required: ['key-id', 'key'],
  },
);

const settings = section(
  {
    email: flagKey('acme'),
    directory: either(
      [directory, list(directory, { title: 'Several, in the order in which they are asked.' })],
      {
        title: 'The certificate authority.',
        description:
          'Of several, the next is asked when the one before cannot be reached, is overloaded ' +
          'or limits the number of certificates. By using an authority you agree to its terms.',
        default: 'letsencrypt',
        examples: ['letsencrypt-staging', ['letsencrypt', 'https://acme.zerossl.com/v2/DV90']],
      },
    ),
    'directory-ca': file({
      title: 'Roots, in PEM, that are trusted beside the usual ones to speak for the authority.',
      description: 'For an authority of your own.',
      default: 'none',
      examples: ['/etc/sluice/internal-ca.pem'],
    }),
    'external-account': externalAccount,
    keys: list(
      oneOf(['ecdsa', 'rsa'], { title: 'A type of key.', default: 'ecdsa', examples: ['rsa'] }),
      {
        title: 'Types of the keys: each host gets a certificate for each type.',
        description:
          'ECDSA on P-256, RSA with 2048 bits. With both, each client gets the one that it can use.',
        default: ['ecdsa'],
        examples: [['ecdsa', 'rsa']],
        minItems: 1,
      },
    ),
    profile: text({
      title: 'The kind of certificate, by the authority’s name for it.',
      default: 'the default of the authority',
      examples: ['shortlived'],
      minLength: 1,
    }),
    challenges: list(
      oneOf(['http-01', 'tls-alpn-01', 'dns-01'], {
        title: 'A way to prove that a name is yours.',
        examples: ['dns-01'],
      }),
      {
        title: 'How names are proved; the first that the authority offers is used.',
        description:
          '`http-01` needs port 80 of every name to lead to a listener for http, ' +
          '`tls-alpn-01` port 443 to one for https, `dns-01` a `dns-command`. Wildcards can ' +
          'only be proved by `dns-01`.',
        default: 'those that are possible, in this order',
        examples: [['tls-alpn-01']],
        minItems: 1,
      },
    ),
    'dns-command': file({
      title: 'A program that makes and removes DNS records, for dns-01.',
      description:
        'It is called as `FILE add NAME VALUE` and `FILE remove NAME VALUE`, where NAME is ' +
        '`_acme-challenge.example.org`, and must end with 0 when the TXT record can be seen ' +
        'by everybody (or is gone), within two minutes.',
      default: 'none',
      examples: ['/etc/sluice/dns-record'],
    }),
    storage: file({
      title: 'The directory for accounts, keys and certificates.',
      description: 'Files in it are readable by their owner only.',
      default: '`acme` in `$XDG_STATE_HOME/sluice` (`~/.local/state/sluice`)',
      examples: ['/var/lib/sluice/acme'],
    }),
    'cluster-secret-file': file({
      title: 'A secret with which a cluster shares certificates.',
      description:
        'At least 32 random bytes, the same for all instances. With it and with `cluster`, one ' +
        'instance orders and all have the certificate; accounts, keys and orders stand in Redis, ' +
        'sealed with this secret (AES-256-GCM). Without it every instance orders its own.',
      default: 'none',
      examples: ['/etc/sluice/acme-cluster.secret'],
    }),
    resolvers: list(text({ title: 'ADDRESS[:PORT]', examples: ['10.0.0.53'] }), {
      title: 'DNS servers that are asked before an order, to find out what would prevent it.',
      default: 'those of this machine',
      examples: [['10.0.0.53:53']],
    }),
  },
  {
    title: 'With more settings.',
    examples: [{ email: 'admin@example.org', directory: 'letsencrypt-staging' }],
  },
);

export const acmeSchema = either([flagKey('acme'), settings], {
  title: 'Certificates that sluice gets and renews by itself (ACME, RFC 8555).',
  description: 'For hosts with `certificates: acme`.',
  default: 'the defaults below, without an address',
  examples: ['admin@example.org', { directory: 'letsencrypt-staging' }],
});

export type AcmeEntry = Static<typeof settings>;
