/** How the process does: its workers, its origins, and what was switched off. */
import { serverStateText } from '../../../upstream/server-state-text.ts';
import type {
  FeaturesAnswer,
  IncidentsAnswer,
  OriginsAnswer,
  OverviewAnswer,
  StatsAnswer,
} from '../answers.ts';
import { at, type Line, rowOf, showLines } from './elements.ts';
import { short, spanText } from './words.ts';

export function showProcess(stats: StatsAnswer, connections: number): void {
  const { version, state, uptimeSeconds, workers } = stats;
  const running = workers.filter((one) => one.state === 'running').length;
  at('state').textContent = [
    version,
    state,
    `up ${spanText(uptimeSeconds)}`,
    `${short(connections)} connections`,
    `${running} of ${workers.length} workers`,
  ].join(' · ');
  const lines = workers.map((one): Line => {
    const value = `${one.state}, restarts: ${one.restarts}`;
    return [`${one.index} (pid ${one.pid ?? '–'})`, value, goodIf(one.state === 'running')];
  });
  showLines('workers', lines, 'none');
}

/** What is wrong now, and what to do about it. */
export function showWrong({ wrong }: OverviewAnswer): void {
  const rows = wrong.map(({ what, remedy, at: seen }) => {
    const row = rowOf([what, remedy, seen === null ? 'now' : new Date(seen).toLocaleTimeString()]);
    row.cells[0]!.className = 'bad';
    return row;
  });
  at('wrong').replaceChildren(...rows);
  at('wrong-now').hidden = rows.length === 0;
}

export function showOrigins({ origins }: OriginsAnswer): void {
  const lines = origins.flatMap((group) =>
    group.servers.map((server): Line => {
      const isUp = server.state === 'up';
      return [`${group.name} · ${server.name}`, serverStateText(server), goodIf(isUp)];
    }),
  );
  showLines('origins', lines, 'none');
}

export function showFaults({ rollbacks }: FeaturesAnswer, { directory }: IncidentsAnswer): void {
  const disabled = rollbacks.map((one): Line => [one.name, stateText(one), 'bad']);
  const lines: Line[] = disabled.length > 0 ? disabled : [['features', 'none is disabled', 'good']];
  showLines('faults', [...lines, ['incidents in', directory || 'nowhere']], '');
}

function stateText({ state, incident }: FeaturesAnswer['rollbacks'][number]): string {
  if (state === 'manual') return 'disabled by operator';
  if (state === 'watched') return 'enabled (watched)';
  return `disabled automatically${incident === '' ? '' : ` (incident ${incident})`}`;
}

function goodIf(isGood: boolean): 'good' | 'bad' {
  return isGood ? 'good' : 'bad';
}
