/** `sluice origins`: asks a running sluice how its origins do, and takes servers out or in. */
import { durationText } from '../base/duration-text.ts';
import { UsageError } from '../base/errors.ts';
import type { GroupReport, ServerReport } from '../supervisor/admin/origin-routes.ts';
import {
  type ActionArguments,
  parseActionArguments,
  printAnswer,
  refuseArguments,
} from './action-arguments.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';

/** True for flags with a value. */
const FLAGS = {
  list: { admin: true, json: false },
  up: { admin: true, json: false },
  drain: { admin: true, json: false },
  down: { admin: true, json: false },
};

export const originsCommand: Command = { flags: FLAGS, run };

type OriginArguments = ActionArguments<keyof typeof FLAGS>;

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('origins', FLAGS, args, 'list');
  if (parsed.action === 'list') await list(parsed);
  else await change(parsed);
  return 0;
}

async function list(args: OriginArguments): Promise<void> {
  refuseArguments(args, 'write origins');
  const answer = (await askAdmin(args, '/origins')) as { origins: GroupReport[] };
  printAnswer(args, answer, answer.origins.flatMap(groupLines));
}

function groupLines(group: GroupReport, index: number): string[] {
  const { name, balance, retries, circuitOpenings, servers } = group;
  let text = `${name}  ${balance}`;
  if (retries > 0) text += `, ${retries} retries`;
  if (circuitOpenings > 0) text += `, circuit opened ${circuitOpenings} times`;
  const width = Math.max(...servers.map((server) => server.name.length));
  const gap = index === 0 ? [] : [''];
  return [...gap, text, ...servers.map((server) => serverText(server, width))];
}

function serverText(server: ServerReport, width: number): string {
  const { name, state, wanted, weight, backup, requests, failures, underWay } = server;
  const { connections, meanResponseMs, trouble } = server;
  const roles = [...(weight === 1 ? [] : [`weight ${weight}`]), ...(backup ? ['backup'] : [])];
  // What an operator sets takes up to a second to be seen.
  const pending = wanted === 'up' || wanted === state ? '' : ` (to be ${wanted})`;
  const mean = meanResponseMs === null ? '' : `, ${durationText(meanResponseMs)} on average`;
  const role = roles.length === 0 ? '' : `  ${roles.join(', ')}`;
  return (
    `  ${name.padEnd(width)}  ${`${state}${pending}`.padEnd(11)} ${requests} requests, ` +
    `${failures} failures, ${underWay} under way, ${connections} connections${mean}${role}` +
    `${trouble === null ? '' : `  for ${durationText(trouble.seconds * 1_000)}: ${trouble.text}`}`
  );
}

async function change(args: OriginArguments): Promise<void> {
  const [target = '', ...more] = args.arguments;
  const slash = target.indexOf('/');
  if (slash < 1 || more.length > 0) {
    const remedy = `write origins ${args.action} GROUP/SERVER as sluice origins shows them`;
    throw new UsageError(`origins ${args.action}: which server?`, remedy);
  }
  const [group, server] = [target.slice(0, slash), target.slice(slash + 1)];
  const path = `/origins/${encodeURIComponent(group)}/${encodeURIComponent(server)}`;
  const answer = await askAdmin(args, path, { state: args.action });
  printAnswer(args, answer, [`${target}: ${args.action}`]);
}
