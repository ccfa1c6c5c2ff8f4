/** `sluice handshakes`: asks a running sluice what fails in handshakes, and who observes them. */
import { harmlessLine } from '../base/harmless-text.ts';
import type { ObserverReport } from '../supervisor/handshake-routes.ts';
import type { CountedValue, FailureKind } from '../worker/failure-table.ts';
import {
  type ActionWords,
  onlyArgument,
  parseActionWords,
  printAnswer,
  refuseArguments,
} from './action-words.ts';
import { askAdmin } from './admin-client.ts';

/** True for flags with a value. */
export const FLAGS = {
  failures: { admin: true, json: false },
  observers: { admin: true, json: false },
  rearm: { admin: true, json: false },
};

type HandshakeWords = ActionWords<keyof typeof FLAGS>;

/** Resolves with the exit code. Throws UsageError. */
export async function handshakesCommand(words: readonly string[]): Promise<number> {
  const parsed = parseActionWords('handshakes', FLAGS, words);
  switch (parsed.action) {
    case 'failures':
      await failures(parsed);
      break;
    case 'observers':
      await observers(parsed);
      break;
    case 'rearm':
      await rearm(parsed);
      break;
  }
  return 0;
}

/** Kinds shown in words; --json has all. */
const KINDS_SHOWN = 10;
const VALUES_SHOWN = 3;

async function failures(words: HandshakeWords): Promise<void> {
  refuseArguments(words, 'write handshakes failures');
  const answer = (await askAdmin(words, '/handshakes/failures')) as { failures: FailureKind[] };
  const kinds = answer.failures;
  let text = kinds.length === 0 ? 'no handshake has failed\n' : '';
  for (const kind of kinds.slice(0, KINDS_SHOWN)) text += kindText(kind);
  if (kinds.length > KINDS_SHOWN) text += `and ${kinds.length - KINDS_SHOWN} rarer kinds: --json\n`;
  printAnswer(words, answer, text);
}

function kindText(kind: FailureKind): string {
  const { count, error, alert, alertSentBy, version, lastState, lastAtMs } = kind;
  const by = alertSentBy === 'us' ? 'sent' : 'received';
  const what = alert === '' ? error : `${error}, alert ${alert} ${by}`;
  let text = `${String(count).padStart(7)}  ${what}${version === '' ? '' : ` (${version})`}\n`;
  text += `         at "${lastState}", the last on ${new Date(lastAtMs).toISOString()}\n`;
  text += valuesText('from', kind.addresses);
  text += valuesText('for', kind.serverNames);
  return text + valuesText('by', kind.fingerprints);
}

function valuesText(word: string, values: readonly CountedValue[]): string {
  if (values.length === 0) return '';
  const shown = values
    .slice(0, VALUES_SHOWN)
    .map(({ value, count }) => `${harmlessLine(value)} (${count})`);
  const more = values.length > VALUES_SHOWN ? ', …' : '';
  return `         ${word} ${shown.join(', ')}${more}\n`;
}

async function observers(words: HandshakeWords): Promise<void> {
  refuseArguments(words, 'write handshakes observers');
  const answer = (await askAdmin(words, '/handshakes/observers')) as {
    observers: ObserverReport[];
  };
  printAnswer(words, answer, answer.observers.map(observerText).join(''));
}

function observerText({ name, armed, cutOff, faults, lastFault }: ObserverReport): string {
  const state = cutOff === 0 ? 'armed' : `cut off in ${cutOff} of ${armed + cutOff} workers`;
  const fault = faults === 0 ? '' : `, ${faults} faults, the last: ${lastFault}`;
  return `${name.padEnd(20)} ${state}${fault}\n`;
}

async function rearm(words: HandshakeWords): Promise<void> {
  const observer = onlyArgument(words, 'NAME');
  const answer = (await askAdmin(words, '/handshakes/rearm', { observer })) as {
    observer: ObserverReport;
  };
  printAnswer(words, answer, observerText(answer.observer));
}
