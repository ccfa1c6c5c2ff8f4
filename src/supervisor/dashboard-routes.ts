/** The part of the page at `/` that shows how each route does. */

export const routesStyle = `
#by-route{grid-column:1/-1}#by-route .wide{overflow-x:auto}
#by-route th{font-weight:400;color:var(--dim);text-align:right;padding:0 0 2px 8px;vertical-align:bottom}
#by-route th:first-child{text-align:left;padding-left:0}
#routes td+td{white-space:nowrap}#routes td:first-child{min-width:96px}
`;

export const routesBody = `
<section id="by-route" hidden><h2>Routes, the busiest first; times in milliseconds, at most</h2>
<div class="wide"><table><thead>
<tr><th scope="col">Route<th scope="col">req/s<th scope="col">hits<th scope="col">errors/s
<th scope="col">p50<th scope="col">p99</tr></thead><tbody id="routes"></tbody></table></div></section>
`;

/** More rows than anybody reads, and few enough to draw each second. */
const ROWS_MAX = 25;

export const routesScript = `
function routeRow(name, now, before, bounds, seconds) {
  const since = (key) => Math.max(0, now[key] - (before?.[key] ?? 0));
  const asked = since('requests');
  const durations = now.durations.map((all, i) => Math.max(0, all - (before?.durations[i] ?? 0)));
  const time = (share) => asked === 0 ? '–' : short(1000 * quantile(durations, bounds, share));
  const share = asked === 0 ? '–' : short(100 * since('hits') / asked) + ' %';
  const errors = since('errors') / seconds;
  return [name, short(asked / seconds), share, short(errors), time(0.5), time(0.99), errors > 0];
}

function showRoutes(now, before) {
  const names = Object.keys(now.routes).sort((a, b) => now.routes[b].requests - now.routes[a].requests);
  at('by-route').hidden = names.length === 0;
  if (before === null || now.atMs <= before.atMs) return;
  const seconds = (now.atMs - before.atMs) / 1000;
  const made = names.slice(0, ${ROWS_MAX}).map((name) => {
    const cells = routeRow(name, now.routes[name], before.routes[name], now.bounds, seconds);
    const isBad = cells.pop();
    const row = document.createElement('tr');
    for (const text of cells) row.appendChild(document.createElement('td')).textContent = text;
    if (isBad) row.children[3].className = 'bad';
    return row;
  });
  const rest = names.length - made.length;
  if (rest > 0) {
    const row = document.createElement('tr');
    row.appendChild(document.createElement('td')).textContent = 'and ' + rest + ' more: /metrics';
    made.push(row);
  }
  at('routes').replaceChildren(...made);
}
`;
