/** `sluice run` with stand-in workers: everything of ours but the worker itself. */
import { fileURLToPath } from 'node:url';
import { conclude } from '../../src/cli/main.ts';
import { startInstance } from '../../src/cli/running-instance.ts';
import { parseCommandLine } from '../../src/config/command-line.ts';

await conclude(async () => {
  const commandLine = parseCommandLine(process.argv.slice(2), process.cwd());
  const { supervisor, ended } = await startInstance(commandLine, '0.0.0', null, {
    entryPoint: fileURLToPath(new URL('stand-in-worker.ts', import.meta.url)),
    load: async () => (await import('./stand-in-worker.ts')).startStandIn,
  });
  const [listener] = supervisor.listeners;
  const shown = { listener: listener?.address, admin: supervisor.adminEndpoint };
  process.stdout.write(`${JSON.stringify(shown)}\n`);
  return ended;
});
