/** `sluice run`: serves an origin until a signal ends it. */

import { closeSync, writeSync } from 'node:fs';
import type { SocketAddress } from '../base/socket-address.ts';
import { START_DESCRIPTOR, type StartMessage } from '../base/start-message.ts';
import { certificateFingerprint } from '../config/certificate.ts';
import type { CommandLine } from '../config/command-line.ts';
import type { SluiceOptions } from '../config/options.ts';
import { socketAddressText } from '../supervisor/listeners.ts';
import type { OriginGroupOptions } from '../upstream/options.ts';
import { nameOfServer, socketPathOf } from '../upstream/server-names.ts';
import { type RunningInstance, startInstance } from './running-instance.ts';
import { printNote } from './terminal.ts';

/** Resolves with the exit code. */
export async function run(commandLine: CommandLine, version: string): Promise<number> {
  const service = await startInstance(commandLine, version, null);
  if (!service.serves) return service.ended;
  if (!tellStart(service))
    printNote(`sluice ${version} serves ${originText(service)}\n${addresses(service)}`);
  return service.ended;
}

/** Whether somebody wanted to know. */
function tellStart({ supervisor, options }: RunningInstance): boolean {
  const fd = Number(process.env[START_DESCRIPTOR] ?? -1);
  delete process.env[START_DESCRIPTOR];
  if (fd < 0) return false;
  const message: StartMessage = {
    pid: process.pid,
    listeners: supervisor.listeners.map(({ kind, address }) => {
      return { kind, address: socketAddressText(address) };
    }),
    admin: supervisor.adminEndpoint === null ? null : socketAddressText(supervisor.adminEndpoint),
    certificates: fingerprints(options),
  };
  writeSync(fd, `${JSON.stringify(message)}\n`);
  closeSync(fd);
  return true;
}

function fingerprints({ hosts }: SluiceOptions): string[] {
  const all = hosts.flatMap(({ tls }) => tls.certificates);
  return all.map(({ certificatePem }) => certificateFingerprint(certificatePem));
}

/** The URL of the one origin that there is, or the groups by name. */
function originText({ options: { origins } }: RunningInstance): string {
  const [first, ...others] = origins;
  if (first === undefined) return 'what its routes say';
  if (others.length > 0 || first.servers.length > 1) return origins.map(groupText).join(', ');
  if (first.handler !== null) return `the handler ${first.handler.file}`;
  const [server] = first.servers;
  const { scheme, host, port } = server!;
  const where = nameOfServer(host, port);
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
  for (const one of fingerprints(options)) text += `  cert   SHA-256 ${one}\n`;
  return text;
}

function addressText(scheme: string, address: SocketAddress): string {
  return 'path' in address
    ? socketAddressText(address)
    : `${scheme}://${socketAddressText(address)}/`;
}
