/** The part of the page at `/` that shows what `sluice triage` has found. */

export const triageStyle = `
button.link{all:unset;cursor:pointer;color:var(--main);text-decoration:underline}
button.link:focus-visible{outline:2px solid var(--main)}
#report{grid-column:1/-1}#report p{margin:0 0 6px;overflow-wrap:anywhere}
#report td{text-align:left;padding-right:8px;vertical-align:top}
#report .wide{overflow-x:auto}
`;

export const triageBody = `
<section><h2>Triage</h2><table id="triage"></table></section>
<section id="report" hidden aria-live="polite"><h2 id="report-title"></h2>
<div id="report-facts"></div>
<div class="wide"><table id="report-evidence"></table></div>
<p><button class="link" id="report-close">Close</button></p></section>
`;

export const triageScript = `
const VERDICTS = { 'cause-found': 'good', 'no-cause-found': 'bad', 'not-reproducible': 'bad' };

function showTriage({ reports }) {
  const made = reports.map(({ name, summary, verdict, writtenAt }) => {
    const row = document.createElement('tr');
    const link = document.createElement('button');
    link.className = 'link';
    link.textContent = summary;
    link.addEventListener('click', () => openReport(name));
    row.appendChild(document.createElement('td')).appendChild(link);
    const when = row.appendChild(document.createElement('td'));
    when.textContent = writtenAt.slice(0, 16).replace('T', ' ');
    when.className = VERDICTS[verdict] ?? '';
    return row;
  });
  if (made.length === 0) rows('triage', [], 'no report yet; sluice triage CAPSULE writes one');
  // What somebody is about to click at must not be replaced each second.
  else if (at('triage').dataset.of !== JSON.stringify(reports)) at('triage').replaceChildren(...made);
  at('triage').dataset.of = JSON.stringify(reports);
}

async function openReport(name) {
  const report = await read('/triage?report=' + encodeURIComponent(name));
  at('report-title').textContent = report.summary;
  const { features, configuration, commit, trigger, reproduction } = report;
  const facts = [
    report.capsule.signature,
    'Reproduced in ' + reproduction.same + ' of ' + reproduction.runs + ' runs.',
    ...features.blamed.map((one) => 'To blame: ' + one.name + '. ' + one.summary),
    ...features.conditions.map((one) => 'Must be on as well: ' + one.name + '.'),
    ...(features.unclear ?? []).map((one) => 'Neither to blame nor cleared: ' + one.name + '.'),
    ...configuration.changes.map((one) => 'Since ' + one.path + ' changed from ' +
      JSON.stringify(one.before) + ' to ' + JSON.stringify(one.after) + '.'),
    ...commit.commits.map((one) => 'Commit ' + one.hash.slice(0, 10) + ': ' + one.subject),
    ...(trigger === null ? [] : ['Smallest trigger, ' + trigger.bytes + ' octets: ' + trigger.words]),
    ...report.advice,
  ];
  at('report-facts').replaceChildren(...facts.map((text) => {
    const line = document.createElement('p');
    line.textContent = text;
    return line;
  }));
  at('report-evidence').replaceChildren(...report.evidence.map((one) => {
    const row = document.createElement('tr');
    const cells = [one.number, one.stage, one.question, one.outcome, one.same + ' / ' + one.runs];
    for (const cell of cells) row.appendChild(document.createElement('td')).textContent = cell;
    if (one.outcome === 'same') row.className = 'bad';
    return row;
  }));
  at('report').hidden = false;
  at('report').scrollIntoView();
}

at('report-close').addEventListener('click', () => { at('report').hidden = true; });
`;
