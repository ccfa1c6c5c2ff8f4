/** A report for people. */
import { firstFlightOf } from '../reduce/script-reduction.ts';
import type {
  CommitFinding,
  ConfigurationFinding,
  Reproduction,
  TriageReport,
  Trigger,
} from './report.ts';
import { ageWords } from './words.ts';

const HEX_BYTES_PER_LINE = 16;
/** Of the trigger; all of it is in report.json. */
const HEX_LINES_MAX = 64;

export function markdownOf(report: TriageReport): string {
  const { incident, software, summary, advice, nativeStack } = report;
  const parts = [
    `# ${summary}`,
    `- Incident: \`${incident.file}\`, written ${incident.writtenAt}`,
    `- Signature: \`${incident.signature}\``,
    `- There: ${softwareText(incident.software)}`,
    `- Here: ${softwareText(software)}`,
    '\n## What to do now\n',
    ...advice.map((sentence) => `- ${sentence}`),
    '\n## What was found\n',
    ...findingLines(report),
    ...triggerPart(report.trigger),
    ...(nativeStack === null
      ? []
      : ['\n## Native stack\n', `From ${nativeStack.source}.\n`, fenced(nativeStack.text)]),
    '\n## Evidence\n',
    ...evidenceTable(report),
  ];
  return `${parts.join('\n')}\n`;
}

function softwareText({ sluice, node, openssl, kernel }: TriageReport['software']): string {
  return `sluice ${sluice}, Node ${node}, OpenSSL ${openssl}, ${kernel}`;
}

function findingLines(report: TriageReport): string[] {
  const { reproduction, features, rules, configuration, commit, proof = null } = report;
  const { what, same, runs, notes, runsPerQuestion } = reproduction;
  const lines = [
    what === null
      ? `- **Reproduction**: not in ${runs} runs.`
      : `- **Reproduction**: ${same} of ${runs} runs, with ${whatText(what)}; ` +
        `${runsPerQuestion} for each further question.`,
    ...notes.map((note) => `  - ${note}`),
  ];
  if (reproduction.age !== undefined) lines.push(`- **Age**: ${ageWords(reproduction.age)}.`);
  for (const { name, summary } of features.blamed) {
    lines.push(`- **To blame**: \`${name}\`. ${summary}`);
  }
  for (const { name } of features.conditions) {
    lines.push(`- **Must be on as well**, and is not to blame: \`${name}\``);
  }
  for (const { name } of features.unclear) {
    lines.push(
      `- **Neither to blame nor cleared**: \`${name}\`; without it nothing could be tried.`,
    );
  }
  if (features.status === 'none') lines.push('- **Features**: it happens with all of them off.');
  for (const { route, rule, path } of rules?.rules ?? []) {
    lines.push(`- **Route rule**: \`${rule}\` of route ${route || '(unnamed)'} (\`${path}\`)`);
  }
  lines.push(...configurationLines(configuration), ...commitLines(commit));
  if (proof !== null) lines.push(proofLine(proof));
  return lines;
}

function proofLine({ fails, passes }: NonNullable<TriageReport['proof']>): string {
  const without =
    passes === null ? '' : `, and without what is to blame it ${passes ? 'does not' : 'does, too'}`;
  return `- **Proof**: played once more in a new process, the trigger ${fails ? 'kills' : 'does not kill'}${without}.`;
}

function whatText(what: NonNullable<Reproduction['what']>): string {
  switch (what) {
    case 'suspect':
      return 'the suspect alone';
    case 'all':
      return 'all of the incident, in their order';
    case 'age':
      return 'the suspect again and again';
  }
}

function configurationLines(finding: ConfigurationFinding): string[] {
  const { status, changes, unclear, changesInAll } = finding;
  const open = unclear.map(
    ({ path }) =>
      `- **Configuration**: the change of \`${path}\` is neither to blame nor cleared; ` +
      'without it nothing could be tried.',
  );
  switch (status) {
    case 'skipped':
      return [];
    case 'unknown':
      return ['- **Configuration**: the incident knows of no other one.'];
    case 'none':
      return [
        '- **Configuration**: it happens with the last good one as well, ' +
          `without its ${changesInAll} changes.`,
      ];
    case 'unclear':
      return open;
    case 'found': {
      const lines = changes.map(
        ({ path, before, after }) =>
          `- **Configuration**: \`${path}\` was \`${shown(before)}\` and is \`${shown(after)}\` ` +
          `(one of ${changesInAll} changes since the last good configuration).`,
      );
      return [...lines, ...open];
    }
  }
}

function shown(value: unknown): string {
  return value === undefined ? 'not there' : JSON.stringify(value);
}

function commitLines({ status, commits, reason }: CommitFinding): string[] {
  const lines = commits.map(({ hash, subject, date }) => `\`${hash}\` ${subject} (${date})`);
  switch (status) {
    case 'skipped':
      return [];
    case 'found':
      return [`- **Commit**: ${lines[0]}`];
    case 'range':
      return ['- **Commit**: one of', ...lines.map((line) => `  - ${line}`)];
    case 'none':
    case 'impossible':
      return [`- **Commit**: none found; ${reason}.`];
  }
}

function triggerPart(trigger: Trigger | null): string[] {
  if (trigger === null) return [];
  const { words, bytes, bytesBefore, isRetried, needsEarlyData, script } = trigger;
  if (script.mode === 'request') {
    return [
      '\n## Smallest trigger\n',
      `${words}: ${bytes} bytes, of ${bytesBefore} that were recorded.\n`,
      fenced(JSON.stringify(script, null, 1)),
    ];
  }
  const flight = firstFlightOf(script);
  return [
    '\n## Smallest trigger\n',
    `${words}: ${bytes} bytes, of ${bytesBefore} that were recorded, ${script.mode}.\n`,
    ...(isRetried === true
      ? ['A server without what is to blame answers it with a HelloRetryRequest.']
      : []),
    needsEarlyData ? 'Early data is needed.' : 'No early data is needed.',
    ...(flight === null ? [] : ['', fenced(hexdump(flight))]),
  ];
}

function evidenceTable({ evidence }: TriageReport): string[] {
  return [
    '| # | stage | tried | outcome | same / runs | what | ms |',
    '| --: | --- | --- | --- | --: | --- | --: |',
    ...evidence.map(({ number, stage, question, outcome, same, runs, detail, durationMs }) => {
      const cells = [number, stage, question, outcome, `${same} / ${runs}`, detail, durationMs];
      return `| ${cells.map((cell) => cellText(String(cell))).join(' | ')} |`;
    }),
  ];
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function fenced(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``;
}

function hexdump(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_BYTES_PER_LINE) {
    if (lines.length === HEX_LINES_MAX) {
      lines.push('… (all of it is in report.json)');
      break;
    }
    const row = bytes.subarray(at, at + HEX_BYTES_PER_LINE);
    const digits = (row.toString('hex').match(/../g) ?? []).join(' ');
    const characters = row.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(47)}  ${characters}`);
  }
  return lines.join('\n');
}
