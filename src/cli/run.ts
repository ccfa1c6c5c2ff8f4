/** `sluice run`: serves an origin until a signal ends it. */
import { certificateFingerprint } from '../config/certificate.ts';
import type { CommandLine } from '../config/command-line.ts';
import type { Endpoint } from '../config/options.ts';
import { endpointText } from '../supervisor/listeners.ts';
import { type Service, startService } from './service.ts';

/** Resolves with the exit code. */
export async function run(commandLine: CommandLine, version: string): Promise<number> {
  const service = await startService(commandLine, version, null);
  process.stderr.write(`sluice ${version} serves ${originText(service)}\n${addresses(service)}`);
  return service.ended;
}

function originText({ options: { origin } }: Service): string {
  return `${origin.scheme}://${endpointText(origin)}${origin.pathPrefix}`;
}

/** One line per address, and the certificate's fingerprint when there is one. */
export function addresses({ options, supervisor }: Service): string {
  let text = '';
  for (const { kind, endpoint } of supervisor.listeners) {
    text += `  ${kind.padEnd(6)} ${addressText(kind, endpoint)}\n`;
  }
  if (supervisor.adminEndpoint !== null) {
    text += `  admin  ${addressText('http', supervisor.adminEndpoint)}\n`;
  }
  for (const { tls } of options.hosts) {
    for (const { certificatePem } of tls.certificates) {
      text += `  cert   SHA-256 ${certificateFingerprint(certificatePem)}\n`;
    }
  }
  return text;
}

function addressText(scheme: string, endpoint: Endpoint): string {
  return 'path' in endpoint ? endpointText(endpoint) : `${scheme}://${endpointText(endpoint)}/`;
}
