/**
 * Asks for a URL again and again, each time on a connection of its own, until it is told to end
 * (SIGTERM). Then prints how often each outcome was seen, as JSON: a status, or an error's code.
 */
import { request } from 'node:http';

const [url] = process.argv.slice(2);
const outcomes: Record<string, number> = {};
let asking = true;
process.on('SIGTERM', () => {
  asking = false;
});

function ask(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  request(url!, { agent: false }, (response) => {
    response.resume();
    response.on('end', () => resolve(String(response.statusCode)));
    response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  })
    .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    .end();
  return promise;
}

process.stdout.write('asking\n');
while (asking) {
  const outcome = await ask();
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
process.stdout.write(`${JSON.stringify(outcomes)}\n`);
