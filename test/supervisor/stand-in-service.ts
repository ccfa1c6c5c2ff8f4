/** `sluice run` with stand-in workers: everything of ours but the worker itself. */
import { fileURLToPath } from 'node:url';
import { startService } from '../../src/cli/service.ts';
import { parseCommandLine } from '../../src/config/command-line.ts';

const commandLine = parseCommandLine(process.argv.slice(2), process.cwd());
const service = await startService(commandLine, '0.0.0', null, {
  entryPoint: fileURLToPath(new URL('stand-in-worker.ts', import.meta.url)),
  load: async () => (await import('./stand-in-worker.ts')).startStandIn,
});
const [listener] = service.supervisor.listeners;
process.stdout.write(
  `${JSON.stringify({ listener: listener?.endpoint, admin: service.supervisor.adminEndpoint })}\n`,
);
process.exit(await service.ended);
