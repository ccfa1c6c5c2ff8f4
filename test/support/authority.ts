/** A certificate authority for tests, by the openssl command: certificates that have an issuer. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary.ts';

const keyArguments = {
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ed25519: ['-algorithm', 'ED25519'],
} as const;

/** A certificate and its key, as PEM and as files. */
export interface Issued {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Its serial number, hexadecimal. */
  readonly serial: string;
}

export interface IssueOptions {
  readonly kind?: keyof typeof keyArguments;
  readonly subject?: string;
  /** Subject alternative names: DNS names. */
  readonly names?: readonly string[];
  /** Lines of openssl's extension file. */
  readonly extensions?: readonly string[];
  /** May be negative: expired. */
  readonly days?: number;
}

export class Authority {
  readonly certificatePem: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly #directory = temporaryDirectory();
  readonly #issued: string[] = [];
  #count = 0;

  constructor(subject = '/CN=Test Authority') {
    this.keyFile = this.#key('ec');
    this.certificateFile = this.#path('ca.pem');
    openssl('req', '-x509', '-key', this.keyFile, '-out', this.certificateFile, '-days', '30', [
      ...['-subj', subject, '-addext', 'basicConstraints=critical,CA:TRUE'],
      ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature'],
    ]);
    this.certificatePem = readFileSync(this.certificateFile, 'utf8');
  }

  issue(options: IssueOptions = {}): Issued {
    const { kind = 'ec', subject = '/CN=leaf', names = [], extensions = [], days = 30 } = options;
    const keyFile = this.#key(kind);
    const request = this.#path('request.pem');
    openssl('req', '-new', '-key', keyFile, '-subj', subject, '-out', request);
    const lines = [...extensions];
    if (names.length > 0) lines.push(`subjectAltName=${names.map((n) => `DNS:${n}`).join(',')}`);
    const extensionFile = this.#path('extensions');
    writeFileSync(extensionFile, `${lines.join('\n')}\n`);
    const certificateFile = this.#path('certificate.pem');
    const serial = ++this.#count;
    this.#issued.push(hexadecimal(serial));
    openssl('x509', '-req', '-in', request, '-out', certificateFile, '-days', String(days), [
      ...['-CA', this.certificateFile, '-CAkey', this.keyFile, '-set_serial', `${serial}`],
      ...['-extfile', extensionFile],
    ]);
    return {
      certificatePem: readFileSync(certificateFile, 'utf8'),
      keyPem: readFileSync(keyFile, 'utf8'),
      certificateFile,
      keyFile,
      serial: hexadecimal(serial),
    };
  }

  /** Its answer to a request about its certificates (RFC 6960), DER. */
  answerOcsp(request: Uint8Array, options: OcspOptions = {}): Buffer {
    const { revoked = [], validMinutes = 60 } = options;
    const lines = this.#issued.map((serial) => {
      const state = revoked.includes(serial)
        ? 'R\t491231235959Z\t250101000000Z'
        : 'V\t491231235959Z\t';
      return `${state}\t${serial}\tunknown\t/CN=${serial}\n`;
    });
    const [index, asked, answer] = ['index', 'request.der', 'response.der'].map((n) =>
      this.#path(n),
    );
    writeFileSync(index!, lines.join(''));
    writeFileSync(asked!, request);
    openssl(
      'ocsp',
      '-index',
      index!,
      '-CA',
      this.certificateFile,
      '-rsigner',
      this.certificateFile,
      [
        ...['-rkey', this.keyFile, '-reqin', asked!, '-respout', answer!],
        ...['-nmin', String(validMinutes)],
      ],
    );
    return readFileSync(answer!);
  }

  #key(kind: keyof typeof keyArguments): string {
    const path = this.#path('key.pem');
    openssl('genpkey', '-out', path, [...keyArguments[kind]]);
    return path;
  }

  #path(name: string): string {
    return join(this.#directory, `${++this.#count}-${name}`);
  }
}

export interface OcspOptions {
  /** Serial numbers. */
  readonly revoked?: readonly string[];
  readonly validMinutes?: number;
}

function hexadecimal(serial: number): string {
  const digits = serial.toString(16).toUpperCase();
  return digits.padStart(digits.length + (digits.length % 2), '0');
}

function openssl(...words: (string | string[])[]): void {
  execFileSync('openssl', words.flat(), { stdio: ['ignore', 'ignore', 'pipe'] });
}
