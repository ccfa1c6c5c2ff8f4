/** Certificates that are served already: a reload must not take one away because its file is bad. */
import type { CertificatePair } from '../tls/host-options.ts';
import type { CertificateFiles, HostOptions } from './options.ts';

/** The pair that was read from these files before; null when none was. Without its OCSP response. */
export function pairInUse(
  hosts: readonly HostOptions[] | undefined,
  files: CertificateFiles,
): CertificatePair | null {
  for (const { tls, certificateFiles } of hosts ?? []) {
    const index = certificateFiles.findIndex(
      (one) => one?.certificateFile === files.certificateFile && one.keyFile === files.keyFile,
    );
    if (index === -1) continue;
    const { certificatePem, keyPem } = tls.certificates[index]!;
    return { certificatePem, keyPem };
  }
  return null;
}
