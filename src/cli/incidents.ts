/** `sluice incidents`: what was recorded of faults, newest first, and one of them in arguments. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { durationText } from '../base/duration-text.ts';
import { UsageError } from '../base/errors.ts';
import { stateDirectory } from '../config/self-signed-store.ts';
import {
  type Incident,
  type IncidentConnection,
  type IncidentEvent,
  incidentRequestText,
  suspectedRequest,
} from '../triage/incident.ts';
import { IncidentError } from '../triage/incident-check.ts';
import { decodeIncident } from '../triage/incident-file.ts';
import { incidentFileName } from '../triage/incident-name.ts';
import { incidentPage } from '../triage/report/incident-page.ts';
import {
  type ActionArguments,
  onlyArgument,
  parseActionArguments,
  printAnswer,
  refuseArguments,
} from './action-arguments.ts';
import type { Command } from './command.ts';
import { printLines } from './terminal.ts';

/** True for flags with a value. */
const FLAGS = {
  list: { 'incident-dir': true, json: false },
  show: { 'incident-dir': true, json: false, markdown: false },
};

export const incidentsCommand: Command = { flags: FLAGS, run };

const EXIT_OK = 0;
/** A file of the directory is no incident. */
const EXIT_NO = 1;

/** Connections that `show` tells event by event. */
const CONNECTIONS_TOLD_MAX = 1;

/** Open requests that `show` tells, the last ones. */
const REQUESTS_TOLD_MAX = 20;

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('incidents', FLAGS, args);
  return parsed.action === 'list' ? list(parsed) : show(parsed);
}

function directoryOf({ flags }: ActionArguments): string {
  return flags.get('incident-dir') ?? join(stateDirectory(process.env), 'incidents');
}

interface Listed {
  readonly file: string;
  readonly bytes: number;
  readonly kind: string;
  readonly writtenAt: string;
  readonly signature: string;
  /** Why it cannot be read, or ''. */
  readonly fault: string;
}

function list(args: ActionArguments): number {
  refuseArguments(args, 'write incidents list');
  const directory = directoryOf(args);
  const listed = namesIn(directory).map((name) => listedFile(join(directory, name)));
  const lines = listed.length === 0 ? [`no incidents in ${directory}`] : [];
  for (const { file, writtenAt, signature, fault } of listed) {
    if (fault === '') lines.push(`${writtenAt}  ${signature}`, `  ${file}`);
    else lines.push(`${file}: ${fault}`);
  }
  printAnswer(args, listed, lines);
  return listed.some(({ fault }) => fault !== '') ? EXIT_NO : EXIT_OK;
}

/** Newest first: names begin with the time. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => incidentFileName.test(name))
      .sort()
      .reverse();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new UsageError(`${directory}: cannot be read (${code})`, 'give another --incident-dir');
  }
}

function listedFile(file: string): Listed {
  try {
    const { size: bytes } = statSync(file);
    const { kind, writtenAt, signature } = decodeIncident(readFileSync(file));
    return { file, bytes, kind, writtenAt, signature, fault: '' };
  } catch (error) {
    const fault = (error as Error).message;
    return { file, bytes: 0, kind: '', writtenAt: '', signature: '', fault };
  }
}

function show(args: ActionArguments): number {
  const file = incidentPath(onlyArgument(args, 'FILE'), args);
  const incident = readIncidentFile(file);
  if (args.flags.has('markdown')) {
    printLines([incidentPage(incident, file).trimEnd()]);
    return EXIT_OK;
  }
  printAnswer(args, incident, incidentLines(incident));
  return EXIT_OK;
}

/** A bare name or number is one of the current directory, or of the incidents' own. */
export function incidentPath(name: string, args: ActionArguments): string {
  if (name.includes('/') || statSync(name, { throwIfNoEntry: false }) !== undefined) return name;
  const file = join(directoryOf(args), name);
  const isNumber = !name.includes('.') && statSync(file, { throwIfNoEntry: false }) === undefined;
  return isNumber ? `${file}.json.gz` : file;
}

/** Throws UsageError. */
export function readIncidentFile(file: string): Incident {
  try {
    return decodeIncident(readFileSync(file));
  } catch (error) {
    if (error instanceof IncidentError) {
      throw new UsageError(`${file}: ${error.message}`, 'see sluice incidents list');
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`${file}: cannot be read (${code})`, 'see sluice incidents list');
  }
}

function incidentLines(incident: Incident): string[] {
  const { software, worker, death, configuration, features, connections, suspect } = incident;
  const on = Object.keys(features).filter((name) => features[name]);
  const off = Object.keys(features).filter((name) => !features[name]);
  const lines = [incident.signature];
  if (death !== null) {
    const what = `worker ${worker.index} (pid ${worker.pid}) ${death.summary}, `;
    lines.push(`${what}${durationText(worker.lifeMs)} after its start`);
  }
  lines.push(`at             ${incident.writtenAt}`);
  const programs = `sluice ${software.sluice}, Node ${software.node}`;
  lines.push(
    `software       ${programs}, OpenSSL ${software.openssl}, ${software.kernel}, ${software.architecture}`,
  );
  lines.push(`configuration  ${configuration.digest.slice(0, 16)}`);
  lines.push(`features on    ${on.join(', ') || 'none'}`);
  lines.push(`features off   ${off.join(', ') || 'none'}`);
  lines.push(`observers      ${incident.observers.join(', ') || 'none'}`);
  lines.push(`suspect        ${suspectText(incident)}`);
  lines.push(`connections    ${connections.length} of ${incident.recorder.handshakes}`);
  const told = connections.filter(({ id }) => id === suspect?.connection);
  for (const connection of told.slice(0, CONNECTIONS_TOLD_MAX))
    lines.push(...connectionLines(connection));
  lines.push(...requestLines(incident), ...exceptionLines(incident));
  if (incident.nativeStack !== null) {
    const { source, text } = incident.nativeStack;
    lines.push('', `native stack (${source})`, ...text.split('\n'));
  }
  return lines;
}

function suspectText({ suspect }: Incident): string {
  if (suspect === null) return 'none: nothing was under way';
  const { connection, call, observer, request = null } = suspect;
  const parts = [
    connection === null ? '' : `connection ${connection}`,
    call === null ? '' : `inside ${call}`,
    observer === null ? '' : `in observer ${observer}`,
    request === null ? '' : `request ${request}, which the worker was working on`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function requestLines(incident: Incident): string[] {
  const { requests = [], recorder } = incident;
  const suspected = suspectedRequest(incident);
  const lines = [`requests       ${requests.length} open of ${recorder.requests ?? 0}`];
  for (const one of requests.slice(-REQUESTS_TOLD_MAX)) {
    const { number, version, phase, peer, early, startedAt } = one;
    lines.push(
      `${one === suspected ? '>' : ' '} request ${number} in ${phase}: ${incidentRequestText(one)}` +
        ` HTTP/${version} from ${peer || 'peer redacted'}${early ? ', early data' : ''}, ${startedAt}`,
    );
  }
  return lines;
}

function exceptionLines({ exception }: Incident): string[] {
  if (exception === undefined || exception === null) return [];
  const { type, message, frames, fields } = exception;
  const lines = ['', `exception ${type}: ${message}`, ...frames.map((frame) => `  at ${frame}`)];
  if (fields.length > 0) lines.push('fields of the request', ...fields.map((line) => `  ${line}`));
  return lines;
}

function connectionLines(connection: IncidentConnection): string[] {
  const { id, role, peer, serverName, clientHello, outcome, errorCode, alert } = connection;
  const who = peer || 'peer redacted';
  const lines = ['', `connection ${id} (${role}) ${who}, ${connection.startedAt}`];
  if (serverName !== '') lines.push(`  server name  ${serverName}`);
  if (clientHello !== null) {
    lines.push(`  ClientHello  ${clientHello.length} bytes, JA4 ${clientHello.ja4 || 'unknown'}`);
  }
  lines.push(
    `  outcome      ${[outcome, errorCode, alert].filter((word) => word !== '').join(' ')}`,
  );
  for (const event of connection.events) {
    lines.push(`  ${event.atMs.toFixed(3).padStart(10)} ms  ${eventText(event)}`);
  }
  return lines;
}

function eventText(event: IncidentEvent): string {
  switch (event.type) {
    case 'received':
    case 'sent':
    case 'early-data':
      return `${event.type} ${event.length} bytes`;
    case 'state':
      return `state ${event.state}`;
    case 'entered':
    case 'left':
      return `${event.type} ${event.call}`;
    case 'observer-entered':
    case 'observer-left':
      return `${event.type} ${event.observer}`;
    case 'ended':
      return `ended: ${event.outcome}`;
  }
}
