/** An incident for whoever is on call: what is known, how surely, and what to do next. Markdown. */
import { placeOf } from '../exception.ts';
import {
  type Incident,
  type IncidentRequest,
  incidentRequestText,
  isWithoutDeath,
  suspectedRequest,
} from '../incident.ts';

export function incidentPage(incident: Incident, file: string): string {
  const { writtenAt, signature, software } = incident;
  const programs = `sluice ${software.sluice}, Node ${software.node}, OpenSSL ${software.openssl}`;
  const lines = [
    `# ${titleOf(incident)}`,
    `- Signature: \`${signature}\``,
    `- Written: ${writtenAt}, by ${programs}`,
    section('What happened', whatHappened(incident)),
    section('To whom', toWhom(incident)),
    section('Since when', sinceWhen(incident)),
    section('How sure this is', howSure(incident)),
    section('What to do next', next(incident, file)),
  ];
  return `${lines.join('\n')}\n`;
}

function section(title: string, sentences: readonly string[]): string {
  return [`\n## ${title}\n`, ...sentences.map((sentence) => `- ${sentence}`)].join('\n');
}

function titleOf({ kind, worker, death, wrongNumber, signature }: Incident): string {
  if (death !== null) return `Worker ${worker.index} ${death.summary}`;
  if (kind === 'wrong-number') return `Worker ${worker.index} counts wrongly: ${wrongNumber?.rule}`;
  const what =
    kind === 'callback-fault' ? 'A fault of sluice in a handshake' : 'A failed handshake';
  return `${what} (${signature})`;
}

function whatHappened(incident: Incident): string[] {
  const { suspect, exception, wrongNumber, nativeStack } = incident;
  const sentences: string[] = [];
  if (exception != null) {
    const place = placeOf(exception);
    sentences.push(`An exception ended it: ${code(`${exception.type}: ${exception.message}`)}.`);
    if (place !== '') sentences.push(`It was thrown in ${code(place)}.`);
  }
  if (wrongNumber !== undefined) sentences.push(`${wrongNumber.text}.`);
  if (suspect?.call != null) sentences.push(`It was inside the call ${code(suspect.call)}.`);
  if (suspect?.observer != null)
    sentences.push(`The feature ${code(suspect.observer)} was running.`);
  const request = suspectedRequest(incident);
  if (request !== undefined) sentences.push(...requestSentences(request));
  if (nativeStack !== null) sentences.push(`There is a stack, from ${nativeStack.source}.`);
  if (sentences.length === 0) sentences.push('Nothing was under way that is recorded.');
  return sentences;
}

function requestSentences(request: IncidentRequest): string[] {
  const { phase, version, message, response } = request;
  const what = `${code(incidentRequestText(request))} over HTTP/${version}`;
  const sentences = [`It was working on ${what}, in the phase ${code(phase)}.`];
  if (message !== undefined && message.body.bytes > 0) {
    sentences.push(`${message.body.bytes} bytes of the request’s body had come.`);
  }
  if (response != null) {
    const { status, body } = response;
    sentences.push(
      `The origin had answered ${status}, with ${body.bytes} bytes of the body so far.`,
    );
  }
  return sentences;
}

function toWhom(incident: Incident): string[] {
  const { requests = [], connections, kind } = incident;
  if (isWithoutDeath(kind)) return ['No worker died, and other clients noticed nothing of it.'];
  const open = connections.filter(({ role, outcome }) => role === 'server' && outcome === 'open');
  const sentences = [
    `${counted(requests.length, 'open request')} and ${counted(open.length, 'open handshake')} ended ` +
      'with the worker, as did its other connections.',
  ];
  const request = suspectedRequest(incident);
  const suspect = connections.find(({ id }) => id === incident.suspect?.connection);
  const peer = request?.peer ?? suspect?.peer ?? '';
  if (peer !== '') sentences.push(`The suspected client is ${code(peer)}.`);
  return sentences;
}

function sinceWhen({ worker, recorder, configuration }: Incident): string[] {
  const { startedAt, lifeMs } = worker;
  const seconds = (lifeMs / 1_000).toFixed(1);
  const did = `${recorder.requests ?? 0} requests and ${recorder.handshakes} handshakes`;
  const changed =
    configuration.lastGood === null
      ? 'No other configuration is known under which workers lived.'
      : 'The configuration has changed since workers last lived soundly.';
  return [`The worker began at ${startedAt}, lived ${seconds} s, and had ${did}.`, changed];
}

function howSure(incident: Incident): string[] {
  const { suspect, recorder } = incident;
  const sentences: string[] = [];
  if (suspect?.observer != null) {
    sentences.push(
      'The feature was running: it is likely to be to blame, and triage can prove it.',
    );
  } else if (suspect?.call != null || suspect?.request != null) {
    sentences.push('What was being worked on is known. That it is the cause is not proven.');
  } else {
    sentences.push('There is no suspect: the cause may lie before what is recorded.');
  }
  const { message } = suspectedRequest(incident) ?? {};
  if (message?.headers.some((header) => 'bytes' in header) === true) {
    sentences.push(
      'Values of headers that may be secret are not recorded: a fault that needs them is not replayed.',
    );
  }
  if (recorder.damagedEvents > 0) {
    sentences.push(`${recorder.damagedEvents} events of the recording are damaged.`);
  }
  return sentences;
}

function next(incident: Incident, file: string): string[] {
  const { suspect, kind } = incident;
  const sentences: string[] = [];
  if (suspect?.observer != null) {
    const command = code(`sluice features disable ${suspect.observer}`);
    sentences.push(
      `Disable the feature: ${command}; undo it with ${code('sluice features reset')}.`,
    );
  }
  if (kind !== 'wrong-number') {
    sentences.push(
      `Look for the cause, on a machine without traffic: ${code(`sluice triage ${file}`)}.`,
    );
  }
  sentences.push(`See what was disabled by itself: ${code('sluice features list')}.`);
  return sentences;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Of what a client may have written no Markdown is made. */
function code(text: string): string {
  return `\`${text.replaceAll(/[`\r\n]/g, ' ')}\``;
}
