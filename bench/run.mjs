// Runs the benches: `npm run bench`, or `npm run bench -- --help`.
// Plain JavaScript, because any Node may start it; the benches themselves run in the pinned one.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pinnedNode as node } from '../tools/runtime.mjs';

const HELP = `npm run bench -- [--micro] [--server] [WORD…] [options of the server bench]

  --micro          only the micro-benches (bench/micro/*.ts)
  --server         only whole servers: sluice, and nginx beside it when it is installed
  WORD             only micro-benches and scenarios whose name holds the word
  --seconds N      length of one measurement (2)
  --rounds N       measurements of each scenario and server; medians are shown (3)
  --only NAMES     only these of sluice and nginx, with commas
  --subject NAME --start 'COMMAND'
                   another server beside these. COMMAND is run by sh, in the foreground, with ORIGIN,
                   HTTP_PORT, HTTPS_PORT, CERT and KEY in its environment, listens on 127.0.0.1, is
                   ready when both ports accept, and is ended with SIGTERM
  --json FILE      every sample, for later
`;

const here = fileURLToPath(new URL('.', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean' },
    micro: { type: 'boolean' },
    server: { type: 'boolean' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    subject: { type: 'string' },
    start: { type: 'string' },
    json: { type: 'string' },
  },
});

if (values.help) {
  process.stdout.write(HELP);
} else if (!existsSync(node)) {
  console.error(`bench: ${node} is missing; run npm ci (needs Linux on x64 or arm64)`);
  process.exitCode = 2;
} else {
  if (values.micro || !values.server) runMicroBenches();
  if (values.server || !values.micro) runServerBench();
}

function runMicroBenches() {
  for (const file of readdirSync(`${here}micro`).sort()) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts') || !isWanted(file)) continue;
    console.log(`\n── micro/${file}`);
    run([`${here}micro/${file}`]);
  }
}

function runServerBench() {
  const words = ['seconds', 'rounds', 'only', 'subject', 'start', 'json'].flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}`, values[name]],
  );
  run([`${here}server/main.ts`, ...words, ...positionals]);
}

function isWanted(name) {
  return positionals.length === 0 || positionals.some((word) => name.includes(word));
}

function run(words) {
  const all = ['--disable-warning=ExperimentalWarning', ...words];
  const { status } = spawnSync(node, all, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
