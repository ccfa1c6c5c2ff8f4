/** Keys and certificates of kinds that sluice does not make itself, by the openssl command. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unlessInstalled } from '../support/programs.ts';

const keyArguments = {
  rsa: ['rsa:2048'],
  p256: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ed25519: ['ed25519'],
} as const;

export function makeCertificate(kind: keyof typeof keyArguments): {
  certificatePem: string;
  keyPem: string;
} {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-certificate-'));
  try {
    const keyPath = join(folder, 'key.pem');
    const path = join(folder, 'certificate.pem');
    const made = ['-nodes', '-keyout', keyPath, '-out', path, '-days', '30', '-subj', '/CN=a'];
    execFileSync('openssl', ['req', '-x509', '-newkey', ...keyArguments[kind], ...made], {
      stdio: 'ignore',
    });
    return {
      certificatePem: readFileSync(path, 'utf8'),
      keyPem: readFileSync(keyPath, 'utf8'),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The reason to skip a test that needs it, or false. */
makeCertificate.skip = unlessInstalled('openssl');
