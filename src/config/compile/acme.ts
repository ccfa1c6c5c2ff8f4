/** The section `acme`. What depends on other sections is added in ../acme.ts. */
import { DIRECTORIES } from '../../acme/options.ts';
import { SECRET_BYTES_MIN } from '../../acme/sealed.ts';
import { readCarefully } from '../../base/careful-files.ts';
import { readPemText } from '../certificate.ts';
import type { AcmeEntry } from '../schema/acme.ts';
import type { AcmeSection } from '../sections.ts';
import type { CompileContext } from './context.ts';

/** What more there is in a secret's file is a mistake: bytes. */
const SECRET_FILE_BYTES_MAX = 4_096;

/** Without one. */
export const plainAcme: AcmeSection = {
  directories: [DIRECTORIES.letsencrypt!],
  authoritiesPem: '',
  externalAccount: null,
  keyTypes: ['ecdsa'],
  profile: null,
  challenges: null,
  dnsCommand: null,
  storage: null,
  clusterSecret: null,
  resolvers: [],
};

export function compileAcme(entry: AcmeEntry, context: CompileContext): AcmeSection {
  const { directory = plainAcme.directories, challenges = plainAcme.challenges } = entry;
  const directories = typeof directory === 'string' ? [directory] : directory;
  const dnsCommand = entry['dns-command'] ?? plainAcme.dnsCommand;
  if (challenges?.includes('dns-01') && dnsCommand === null) {
    context.refuse(['challenges'], 'dns-01 needs a program that makes records', 'add dns-command');
  }
  const { resolvers = plainAcme.resolvers, storage = plainAcme.storage } = entry;
  for (const [i, server] of resolvers.entries()) {
    if (/^(?:[\d.]+|\[[\da-f:]+\])(?::\d{1,5})?$/i.test(server)) continue;
    context.refuse(['resolvers', i], 'not an IP address', 'write it as 10.0.0.53:53');
  }
  const account = entry['external-account'];
  return {
    directories: directories.map((one, i) =>
      directoryUrl(one, typeof directory === 'string' ? ['directory'] : ['directory', i], context),
    ),
    authoritiesPem: authorities(entry, context),
    externalAccount:
      account === undefined
        ? plainAcme.externalAccount
        : { keyId: account['key-id'], secret: account.key },
    keyTypes: [...new Set(entry.keys ?? plainAcme.keyTypes)],
    profile: entry.profile ?? plainAcme.profile,
    challenges,
    dnsCommand,
    storage,
    clusterSecret: clusterSecret(entry, context),
    resolvers,
  };
}

/** Read as bytes: whatever `openssl rand` makes. */
function clusterSecret(entry: AcmeEntry, context: CompileContext): string | null {
  const file = entry['cluster-secret-file'];
  if (file === undefined) return plainAcme.clusterSecret;
  const remedy = `make one with openssl rand ${SECRET_BYTES_MIN} > FILE, and copy it to all instances`;
  try {
    const bytes = readCarefully(file, SECRET_FILE_BYTES_MAX);
    if (bytes.length >= SECRET_BYTES_MIN) return bytes.toString('hex');
    const problem = `${file}: ${bytes.length} bytes, and a secret has at least ${SECRET_BYTES_MIN}`;
    context.refuse(['cluster-secret-file'], problem, remedy);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    context.refuse(['cluster-secret-file'], `${file}: it cannot be read (${code})`, remedy);
  }
  return null;
}

function directoryUrl(
  written: string,
  path: readonly (string | number)[],
  context: CompileContext,
): string {
  const text = DIRECTORIES[written] ?? written;
  const url = URL.parse(text);
  if (url?.protocol === 'https:' && url.username === '') return text;
  const known = Object.keys(DIRECTORIES).join(', ');
  context.refuse([...path], 'no https URL', `write the URL of a directory, or one of ${known}`);
  return text;
}

function authorities(entry: AcmeEntry, context: CompileContext): string {
  const file = entry['directory-ca'];
  if (file === undefined) return plainAcme.authoritiesPem;
  try {
    const text = readPemText(file);
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
    context.refuse(['directory-ca'], `${file}: holds no certificate`, 'name a PEM file');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = `${file}: it cannot be read (${code})`;
    context.refuse(['directory-ca'], problem, 'name a PEM file that this user may read');
  }
  return '';
}
