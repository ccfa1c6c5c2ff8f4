/** The page at `/` of the admin endpoint: asks its JSON routes once a second, and shows the answers. */
import type { TrafficSample } from '../../../telemetry/traffic-sample.ts';
import type {
  FeaturesAnswer,
  IncidentsAnswer,
  OriginsAnswer,
  OverviewAnswer,
  StatsAnswer,
  TriageAnswer,
} from '../answers.ts';
import { ask, setToken, Unauthorized } from './ask.ts';
import { at, elementAt } from './elements.ts';
import { showFaults, showOrigins, showProcess, showWrong } from './process.ts';
import { showRoutes } from './routes.ts';
import { showTraffic } from './traffic.ts';
import { hideReport, showReport, showTriage } from './triage.ts';

const INTERVAL_MS = 1_000;

let last: TrafficSample | null = null;

async function showAll(): Promise<void> {
  const [traffic, triage, stats, origins, rollbacks, incidents, overview] = await Promise.all([
    ask<TrafficSample>('/traffic'),
    ask<TriageAnswer>('/triage'),
    ask<StatsAnswer>('/stats'),
    ask<OriginsAnswer>('/origins'),
    ask<FeaturesAnswer>('/features'),
    ask<IncidentsAnswer>('/incidents'),
    ask<OverviewAnswer>('/overview'),
  ]);
  at('ask').hidden = true;
  at('all').hidden = false;
  at('all').className = '';
  at('state').className = '';
  showWrong(overview);
  showTraffic(traffic, last);
  showRoutes(traffic, last);
  last = traffic;
  showTriage(triage, (name) => {
    showReport(name).catch(showFailure);
  });
  showProcess(stats, traffic.connections);
  showOrigins(origins);
  showFaults(rollbacks, incidents);
}

/** A token that is missing or wrong is asked for, and nothing else until it is given. */
function showFailure(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const isRefused = error instanceof Unauthorized;
  at('state').className = 'bad';
  // What was true when somebody last answered is not shown as if it were now.
  at('all').className = 'away';
  at('state').textContent = isRefused ? message : `sluice is away: no answer (${message})`;
  if (!isRefused) return;
  at('ask').hidden = false;
  at('all').hidden = true;
}

async function turn(): Promise<void> {
  try {
    await showAll();
  } catch (error) {
    showFailure(error);
    if (error instanceof Unauthorized) return;
  }
  setTimeout(next, INTERVAL_MS);
}

function next(): void {
  turn().catch(showFailure);
}

at('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = elementAt('token', HTMLInputElement);
  setToken(input.value.trim());
  input.value = '';
  next();
});
at('report-close').addEventListener('click', hideReport);
next();
