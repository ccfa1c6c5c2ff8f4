/** `sluice demo`: the same as `run` with an origin of its own, and what to try. */

import { spawn } from 'node:child_process';
import type { SocketAddress } from '../base/socket-address.ts';
import type { CommandLine } from '../config/command-line.ts';
import { closeDescriptor, localAddress, openListeningSocket } from '../native/sockets.ts';
import { socketAddressText } from '../supervisor/listeners.ts';
import { entryPoint } from './entry-point.ts';
import { addresses } from './run.ts';
import { type RunningInstance, report, startInstance } from './running-instance.ts';
import { print } from './terminal.ts';

const LOOPBACK = '127.0.0.1';

/** Resolves with the exit code. */
export async function demo(commandLine: CommandLine, version: string): Promise<number> {
  const origin = startDemoOrigin();
  const service = await startInstance(commandLine, version, {
    scheme: 'http',
    http2: 'never',
    host: LOOPBACK,
    port: origin.port,
    pathPrefix: '',
    verify: true,
    caFile: '',
  });
  if (service.serves) print(greeting(version, service));
  const code = await service.ended;
  origin.end();
  return code;
}

/**
 * The origin is a process of its own, so that it takes no time from the worker. Its socket is
 * opened here: it accepts connections, and its port is known, before the process runs.
 */
function startDemoOrigin(): { readonly port: number; end(): void } {
  const fd = openListeningSocket({ host: LOOPBACK, port: 0 });
  const { port } = localAddress(fd);
  const program = entryPoint(new URL('./demo-origin.ts', import.meta.url));
  const child = spawn(process.execPath, [program], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', fd],
  });
  closeDescriptor(fd);
  child.unref();
  child.channel?.unref();
  let isEnding = false;
  child.on('exit', (code, signal) => {
    if (!isEnding) report(`the demo's origin died (${signal ?? `exit code ${code}`})`);
  });
  return {
    port,
    end() {
      isEnding = true;
      // One that has died, or was ended by the terminal's Ctrl-C, has no channel any more.
      if (child.connected) child.disconnect();
    },
  };
}

function greeting(version: string, service: RunningInstance): string {
  const { supervisor } = service;
  const https = supervisor.listeners.find((listener) => listener.kind === 'https');
  const http = supervisor.listeners.find((listener) => listener.kind === 'http');
  const secure = https === undefined ? null : tcpText(https.address);
  const plain = http === undefined ? null : tcpText(http.address);
  const admin = supervisor.adminEndpoint === null ? null : tcpText(supervisor.adminEndpoint);
  const base = secure === null ? plain && `http://${plain}` : `https://${secure}`;
  const steps = [
    base && cachedStep(base),
    secure && earlyDataStep(secure),
    admin && metricsStep(admin),
  ].filter((step) => step !== null);
  const title = 'a caching TLS edge in front of an origin of its own. Ctrl-C ends it.';
  return `sluice ${version} demo: ${title}

${addresses(service)}
Try:

${steps.map((step, i) => `${i + 1}. ${step}`).join('\n')}`;
}

function tcpText(address: SocketAddress): string | null {
  return 'path' in address ? null : socketAddressText(address);
}

function cachedStep(base: string): string {
  return `A page, twice: the second time it comes from the cache (see Cache-Status and Age).

   curl -ski ${base}/cached ${base}/cached
`;
}

function earlyDataStep(authority: string): string {
  const client = `openssl s_client -connect ${authority} -ign_eof`;
  return `A 0-RTT request: one connection takes a ticket, the next sends its request along with it.

   cd "$(mktemp -d)"
   printf 'GET /cached HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' > request
   ${client} -sess_out ticket < request > /dev/null 2>&1
   ${client} -sess_in ticket -early_data request < /dev/null 2> /dev/null |
     grep -iE '^(HTTP/|Cache-Status|Early data|Reused)'
`;
}

function metricsStep(authority: string): string {
  const pattern = '^sluice_(requests|tls_handshakes|early_data_accepted)_total';
  return `The metrics of what you just did.

   curl -s http://${authority}/metrics | grep -E '${pattern}'
`;
}
