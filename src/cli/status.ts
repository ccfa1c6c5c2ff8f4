/** `sluice status` and `stop`: a running sluice at a glance, and its end. */

import { durationText } from '../base/duration-text.ts';
import type { GroupReport } from '../supervisor/admin/origin-routes.ts';
import type { Overview } from '../supervisor/admin/overview-routes.ts';
import type { SupervisorStatus } from '../supervisor/supervisor-status.ts';
import { serverStateText } from '../upstream/server-state-text.ts';
import { type ActionArguments, parseFlags, printAnswer } from './action-arguments.ts';
import { askAdmin, NotRunningError } from './admin-client.ts';
import type { Command } from './command.ts';
import { uptimeText } from './live/top-frame.ts';
import { printNote } from './terminal.ts';

const FLAGS = { admin: true, json: false };

export const statusCommand: Command = { flags: FLAGS, run: printStatus };
export const stopCommand: Command = { flags: FLAGS, run: stop };

/** As LSB has it for `status`: the program does not run. */
const EXIT_NOT_RUNNING = 3;

/** Resolves with the exit code: 0 when it serves, 1 when it runs and does not, 3 when it does not run. */
async function printStatus(args: readonly string[]): Promise<number> {
  const parsed = parseFlags('status', FLAGS, args);
  try {
    return await statusOf(parsed);
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error;
    printNote(`sluice: ${error.message}; ${error.remedy}\n`);
    return EXIT_NOT_RUNNING;
  }
}

export type FullStatus = SupervisorStatus & Overview & { readonly origins: readonly GroupReport[] };

/** What `sluice status --json` prints. */
export async function fullStatus(parsed: ActionArguments): Promise<FullStatus> {
  const { metrics: _metrics, ...status } = (await askAdmin(
    parsed,
    '/stats',
  )) as SupervisorStatus & {
    metrics: unknown;
  };
  const { origins } = (await askAdmin(parsed, '/origins')) as { origins: GroupReport[] };
  return { ...status, ...((await askAdmin(parsed, '/overview')) as Overview), origins };
}

async function statusOf(parsed: ActionArguments): Promise<number> {
  const status = await fullStatus(parsed);
  printAnswer(parsed, status, [
    ...statusLines(status),
    ...overviewLines(status),
    ...troubleLines(status.origins),
    ...wrongLines(status.wrong),
  ]);
  const serves = status.workers.some(({ state }) => state === 'running');
  return status.state === 'running' && serves ? 0 : 1;
}

function statusLines({
  version,
  pid,
  state,
  uptimeSeconds,
  workers,
  earlyData,
}: SupervisorStatus): string[] {
  const lines = workers.map(
    (worker) =>
      `  worker ${worker.index}  ${worker.state}  pid ${worker.pid ?? '–'}  since ${worker.startedAt}` +
      `${worker.restarts === 0 ? '' : `  replaced ${worker.restarts} times`}`,
  );
  const head = `sluice ${version}  ${state}  pid ${pid}  up ${uptimeText(uptimeSeconds)}`;
  return [head, ...lines, ...earlyDataLines(earlyData)];
}

function overviewLines({ listeners, certificates, configuration, rates }: Overview): string[] {
  const age = (at: string) => durationText(Math.max(0, Date.now() - Date.parse(at)));
  const file = configuration.file === '' ? 'flags only' : `${configuration.file}, applied`;
  return [
    ...listeners.map((one) => `  listens at ${one}`),
    `  configuration: ${file} ${age(configuration.appliedAt)} ago`,
    ...certificates.map(({ names, until, days }) => {
      const left = days < 0 ? 'EXPIRED' : `${days} days left`;
      return `  certificate of ${names}: until ${until.slice(0, 10)}, ${left}`;
    }),
    `  since the start ${rates.requestsPerSecond} requests/s, ${rates.hitPercent} % hits, ` +
      `${rates.errorPercent} % errors (5xx); ${rates.connections} connections now`,
  ];
}

/** What is wrong now, and what to do about it. */
function wrongLines(wrong: Overview['wrong']): string[] {
  if (wrong.length === 0) return ['  nothing is wrong'];
  const ago = (at: string | null) =>
    at === null ? '' : ` (${durationText(Math.max(0, Date.now() - Date.parse(at)))} ago)`;
  return [
    'wrong now:',
    ...wrong.flatMap(({ what, remedy, at }) => [`  ${what}${ago(at)}`, `    ${remedy}`]),
  ];
}

/** Servers that are not up, and why. */
function troubleLines(origins: readonly GroupReport[]): string[] {
  return origins.flatMap(({ name: group, servers }) =>
    servers
      .filter(({ state }) => state !== 'up')
      .map((server) => `  origin ${group}/${server.name}  ${serverStateText(server)}`),
  );
}

/** Nothing where it is as it should be. */
function earlyDataLines({ refusal, forSeconds }: SupervisorStatus['earlyData']): string[] {
  if (refusal === '') return [];
  const time = forSeconds === null ? '' : `, for ${forSeconds} s more`;
  return [`  early data is refused: ${refusal}${time}`];
}

async function stop(args: readonly string[]): Promise<number> {
  const parsed: ActionArguments = parseFlags('stop', FLAGS, args);
  const answer = await askAdmin(parsed, '/stop', {});
  printAnswer(parsed, answer, [
    'it accepts no more connections, finishes the requests under way, and ends',
  ]);
  return 0;
}
