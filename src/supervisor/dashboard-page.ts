/**
 * The page at `/` of the admin endpoint: what a browser needs to show the JSON routes, in one piece. It
 * reads only, and loads nothing from elsewhere.
 */
import { createHash } from 'node:crypto';
import { hitOutcomes } from '../telemetry/exchange-summary.ts';
import { routesBody, routesScript, routesStyle } from './dashboard-routes.ts';
import { triageBody, triageScript, triageStyle } from './dashboard-triage.ts';

const style = `
:root{color-scheme:light dark;--line:light-dark(#d8dde3,#30363d);--dim:light-dark(#59636e,#9198a1);
--main:light-dark(#0b63ce,#58a6ff);--bad:light-dark(#c4320a,#ff7b5c);--good:light-dark(#1a7f37,#3fb950);
--card:light-dark(#fff,#151b23)}
*{box-sizing:border-box}
body{margin:0;padding:12px;font:14px/1.4 system-ui,sans-serif;background:light-dark(#f6f8fa,#0d1117)}
header{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin:0 0 12px}
h1{font-size:18px;margin:0}
h2{font-size:13px;margin:0 0 6px;font-weight:600;color:var(--dim)}
#state{color:var(--dim)}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr));gap:12px}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;min-width:0}
.now{font-size:24px;font-variant-numeric:tabular-nums}
.now small{font-size:13px;color:var(--dim)}
svg{display:block;width:100%;height:48px;margin-top:6px}
polyline{fill:none;stroke:var(--main);stroke-width:1.5;vector-effect:non-scaling-stroke}
.p99{stroke:var(--bad)}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
td{padding:2px 0;border-top:1px solid var(--line);overflow-wrap:anywhere}
td+td{text-align:right;padding-left:8px}
.bad{color:var(--bad)}.good{color:var(--good)}
form{margin:0 0 12px}input{font:inherit;padding:4px 8px;max-width:100%}button{font:inherit;padding:4px 12px}
[hidden]{display:none}
${routesStyle}${triageStyle}`;

const body = `
<header><h1>sluice</h1><span id="state" role="status">asking …</span></header>
<form id="ask" hidden><p>This endpoint asks for its token (the file of --admin-token-file). It is kept by
this page only, until it is closed.</p>
<label>Token <input id="token" type="password" autocomplete="off" required></label>
<button>Show</button></form>
<main id="all">
<section><h2>Requests per second</h2><div class="now" id="rate">–</div><svg id="rate-line"></svg></section>
<section><h2>Answered by the cache</h2><div class="now" id="hits">–</div><svg id="hits-line"></svg></section>
<section><h2>Time of a request: median, 99th percentile</h2><div class="now" id="times">–</div>
<svg id="times-line"></svg></section>
<section><h2>Early data per second: accepted, rejected</h2><div class="now" id="early">–</div>
<svg id="early-line"></svg></section>
<section><h2>Statuses per second</h2><table id="statuses"></table></section>
<section><h2>Handshakes by group, since the start</h2><table id="groups"></table></section>
<section><h2>Origins</h2><table id="origins"></table></section>
<section><h2>Workers</h2><table id="workers"></table></section>
<section><h2>Fuses and capsules</h2><table id="faults"></table></section>
${triageBody}${routesBody}</main>
`;

const script = `
'use strict';
const LENGTH = 120;
const HITS = ${JSON.stringify(hitOutcomes)};
const at = (id) => document.getElementById(id);
const lines = { rate: [], hits: [], p50: [], p99: [], accepted: [], rejected: [] };
let token = '';
let last = null;

async function read(path) {
  const headers = token === '' ? {} : { Authorization: 'Bearer ' + token };
  const response = await fetch(path, { headers, cache: 'no-store' });
  if (response.status === 401) throw new Refused();
  if (!response.ok) throw new Error(path + ': status ' + response.status);
  return response.json();
}

class Refused extends Error {}

function short(number) {
  if (number >= 10000) return Math.round(number / 1000) + ' k';
  return number >= 100 || Number.isInteger(number) ? String(Math.round(number)) : number.toFixed(1);
}

function rows(id, list, none) {
  const made = (list.length > 0 ? list : [[none, '']]).map(([name, value, kind]) => {
    const row = document.createElement('tr');
    for (const text of [name, value]) row.appendChild(document.createElement('td')).textContent = text;
    if (kind !== undefined) row.lastChild.className = kind;
    return row;
  });
  at(id).replaceChildren(...made);
}

function draw(id, ...series) {
  const svg = at(id);
  svg.setAttribute('viewBox', '0 0 ' + LENGTH + ' 40');
  svg.setAttribute('preserveAspectRatio', 'none');
  const most = Math.max(1e-9, ...series.flat());
  svg.replaceChildren(...series.map((values, i) => {
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
    const x = (n) => LENGTH - values.length + n + 0.5;
    const points = values.map((value, n) => x(n) + ',' + (38 - 36 * value / most).toFixed(1));
    line.setAttribute('points', points.join(' '));
    if (i > 0) line.setAttribute('class', 'p99');
    return line;
  }));
}

function push(name, value) {
  lines[name].push(value);
  if (lines[name].length > LENGTH) lines[name].shift();
}

function quantile(counts, bounds, share) {
  const all = counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    below += counts[i];
    if (all > 0 && below >= all * share) return bounds[Math.min(i, bounds.length - 1)];
  }
  return 0;
}

const milliseconds = (seconds) => seconds === 0 ? '–' : '≤ ' + short(seconds * 1000) + ' ms';

function showTraffic(now) {
  if (last !== null && now.atMs > last.atMs) {
    const seconds = (now.atMs - last.atMs) / 1000;
    const count = (a, b) => Math.max(0, (a ?? 0) - (b ?? 0));
    const per = (a, b) => count(a, b) / seconds;
    const asked = count(now.requests, last.requests);
    const hit = HITS.reduce((sum, name) => sum + count(now.byCache[name], last.byCache[name]), 0);
    const durations = now.durations.map((all, i) => count(all, last.durations[i]));
    push('rate', asked / seconds);
    push('hits', asked === 0 ? 0 : 100 * hit / asked);
    push('p50', quantile(durations, now.bounds, 0.5));
    push('p99', quantile(durations, now.bounds, 0.99));
    push('accepted', per(now.earlyDataAccepted, last.earlyDataAccepted));
    push('rejected', per(now.earlyDataRejected, last.earlyDataRejected));
    const newest = (name) => lines[name].at(-1);
    at('rate').textContent = short(newest('rate'));
    at('hits').textContent = asked === 0 ? '–' : short(newest('hits')) + ' %';
    at('times').textContent = milliseconds(newest('p50')) + ', ' + milliseconds(newest('p99'));
    at('early').textContent = short(newest('accepted')) + ', ' + short(newest('rejected'));
    draw('rate-line', lines.rate);
    draw('hits-line', lines.hits);
    draw('times-line', lines.p50, lines.p99);
    draw('early-line', lines.accepted, lines.rejected);
    rows('statuses', Object.keys(now.byStatus).map((status) => [status,
      short(per(now.byStatus[status], last.byStatus[status])), status === '5xx' ? 'bad' : undefined,
    ]), 'no request yet');
  }
  showRoutes(now, last);
  const groups = Object.entries(now.handshakes).filter(([, count]) => count > 0);
  rows('groups', groups.sort((a, b) => b[1] - a[1]).map(([name, count]) => [name, short(count)])
    .concat(now.handshakesFailed > 0 ? [['failed', short(now.handshakesFailed), 'bad']] : []),
    'no handshake yet');
  last = now;
}

function showState(stats, origins, fuses, capsules) {
  const serving = stats.workers.filter((one) => one.state === 'running').length;
  at('state').textContent = stats.version + ' · ' + stats.state + ' · up ' +
    duration(stats.uptimeSeconds) + ' · ' + short(last.connections) + ' connections · ' +
    serving + ' of ' + stats.workers.length + ' workers';
  rows('workers', stats.workers.map((one) => [one.index + ' (pid ' + (one.pid ?? '–') + ')',
    one.state + ', restarts: ' + one.restarts, one.state === 'running' ? 'good' : 'bad']), 'none');
  const servers = (origins.origins ?? []).flatMap((group) => group.servers.map((one) => [
    group.name + ' · ' + one.name, one.state, one.state === 'up' ? 'good' : 'bad']));
  rows('origins', servers, 'none');
  const blown = (fuses.fuses ?? []).map((one) => [one.name, one.state ?? 'blown', 'bad']);
  rows('faults', (blown.length > 0 ? blown : [['fuses', 'none has blown', 'good']])
    .concat([['capsules in', capsules.directory || 'nowhere']]), '');
}

function duration(seconds) {
  const [days, hours, minutes] = [seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60].map(Math.floor);
  if (days > 0) return days + ' d ' + hours + ' h';
  return hours > 0 ? hours + ' h ' + minutes + ' min' : minutes > 0 ? minutes + ' min' : seconds + ' s';
}

async function turn() {
  try {
    const paths = ['/traffic', '/triage', '/stats', '/origins', '/fuses', '/capsules'];
    const [traffic, triage, ...rest] = await Promise.all(paths.map(read));
    at('ask').hidden = true;
    at('all').hidden = false;
    at('state').className = '';
    showTraffic(traffic);
    showTriage(triage);
    showState(...rest);
  } catch (error) {
    const isRefused = error instanceof Refused;
    at('state').className = 'bad';
    at('state').textContent = isRefused
      ? (token === '' ? 'a token is needed' : 'the token is wrong') : 'no answer: ' + error.message;
    if (isRefused) {
      at('ask').hidden = false;
      at('all').hidden = true;
      return;
    }
  }
  setTimeout(turn, 1000);
}

${routesScript}${triageScript}
at('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  token = at('token').value.trim();
  at('token').value = '';
  turn();
});
turn();
`;

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Nothing but the page's own style and script, and requests to where it came from. */
export const dashboardPolicy =
  `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)}; ` +
  "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const dashboardPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sluice</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="icon" href="data:,"><style>${style}</style></head>
<body>${body}<script>${script}</script></body></html>
`;
