/** `sluice handshakes`: asks a running sluice what fails in handshakes, and who observes them. */
import type { ObserverReport } from '../supervisor/admin/handshake-routes.ts';
import type { CountedValue, FailureKind } from '../worker/failure-table.ts';
import {
  type ActionArguments,
  onlyArgument,
  parseActionArguments,
  printAnswer,
  refuseArguments,
} from './action-arguments.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';

/** True for flags with a value. */
const FLAGS = {
  failures: { admin: true, json: false },
  observers: { admin: true, json: false },
  enable: { admin: true, json: false },
};

export const handshakesCommand: Command = { flags: FLAGS, run };

type HandshakeArguments = ActionArguments<keyof typeof FLAGS>;

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('handshakes', FLAGS, args);
  switch (parsed.action) {
    case 'failures':
      await failures(parsed);
      break;
    case 'observers':
      await observers(parsed);
      break;
    case 'enable':
      await enable(parsed);
      break;
  }
  return 0;
}

/** Kinds shown in arguments; --json has all. */
const KINDS_SHOWN = 10;
const VALUES_SHOWN = 3;

async function failures(args: HandshakeArguments): Promise<void> {
  refuseArguments(args, 'write handshakes failures');
  const answer = (await askAdmin(args, '/handshakes/failures')) as { failures: FailureKind[] };
  const kinds = answer.failures;
  const lines = kinds.length === 0 ? ['no handshake has failed'] : [];
  for (const kind of kinds.slice(0, KINDS_SHOWN)) lines.push(...kindLines(kind));
  if (kinds.length > KINDS_SHOWN)
    lines.push(`and ${kinds.length - KINDS_SHOWN} rarer kinds: --json`);
  printAnswer(args, answer, lines);
}

function kindLines(kind: FailureKind): string[] {
  const { count, error, alert, alertSentBy, version, lastState, lastAtMs } = kind;
  const by = alertSentBy === 'us' ? 'sent' : 'received';
  const what = alert === '' ? error : `${error}, alert ${alert} ${by}`;
  return [
    `${String(count).padStart(7)}  ${what}${version === '' ? '' : ` (${version})`}`,
    `         at "${lastState}", the last on ${new Date(lastAtMs).toISOString()}`,
    ...valueLines('from', kind.addresses),
    ...valueLines('for', kind.serverNames),
    ...valueLines('by', kind.fingerprints),
  ];
}

function valueLines(word: string, values: readonly CountedValue[]): string[] {
  if (values.length === 0) return [];
  const shown = values.slice(0, VALUES_SHOWN).map(({ value, count }) => `${value} (${count})`);
  const more = values.length > VALUES_SHOWN ? ', …' : '';
  return [`         ${word} ${shown.join(', ')}${more}`];
}

async function observers(args: HandshakeArguments): Promise<void> {
  refuseArguments(args, 'write handshakes observers');
  const answer = (await askAdmin(args, '/handshakes/observers')) as {
    observers: ObserverReport[];
  };
  printAnswer(args, answer, answer.observers.map(observerText));
}

function observerText({ name, enabled, disabled, faults, lastFault }: ObserverReport): string {
  const state =
    disabled === 0 ? 'enabled' : `disabled in ${disabled} of ${enabled + disabled} workers`;
  const fault = faults === 0 ? '' : `, ${faults} faults, the last: ${lastFault}`;
  return `${name.padEnd(20)} ${state}${fault}`;
}

async function enable(args: HandshakeArguments): Promise<void> {
  const observer = onlyArgument(args, 'NAME');
  const answer = (await askAdmin(args, '/handshakes/enable', { observer })) as {
    observer: ObserverReport;
  };
  printAnswer(args, answer, [observerText(answer.observer)]);
}
