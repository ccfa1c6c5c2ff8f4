/** `sluice run`: serves an origin until a signal ends it. */

import type { SocketAddress } from '../base/socket-address.ts';
import { certificateFingerprint } from '../config/certificate.ts';
import type { CommandLine } from '../config/command-line.ts';
import { socketAddressText } from '../supervisor/listeners.ts';
import type { OriginGroupOptions } from '../upstream/options.ts';
import { hostAndPort, socketPathOf } from '../upstream/server-names.ts';
import { type RunningInstance, startInstance } from './running-instance.ts';
import { printNote } from './terminal.ts';

/** Resolves with the exit code. */
export async function run(commandLine: CommandLine, version: string): Promise<number> {
  const service = await startInstance(commandLine, version, null);
  if (!service.serves) return service.ended;
  printNote(`sluice ${version} serves ${originText(service)}\n${addresses(service)}`);
  return service.ended;
}

/** The URL of the one origin that there is, or the groups by name. */
function originText({ options: { origins } }: RunningInstance): string {
  const [first, ...others] = origins;
  if (first === undefined) return 'what its routes say';
  if (others.length > 0 || first.servers.length > 1) return origins.map(groupText).join(', ');
  const [server] = first.servers;
  const { scheme, host, port } = server!;
  const where = hostAndPort(host, port);
  return socketPathOf(host) === null ? `${scheme}://${where}${first.pathPrefix}` : where;
}

function groupText({ name, servers }: OriginGroupOptions): string {
  return `${name} (${servers.length === 1 ? '1 server' : `${servers.length} servers`})`;
}

/** One line per address, and the certificate's fingerprint when there is one. */
export function addresses({ options, supervisor }: RunningInstance): string {
  let text = '';
  for (const { kind, address } of supervisor.listeners) {
    text += `  ${kind.padEnd(6)} ${addressText(kind, address)}\n`;
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

function addressText(scheme: string, address: SocketAddress): string {
  return 'path' in address
    ? socketAddressText(address)
    : `${scheme}://${socketAddressText(address)}/`;
}
