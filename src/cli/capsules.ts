/** `sluice capsules`: what was recorded of faults, newest first, and one of them in words. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { durationText } from '../base/duration-text.ts';
import { UsageError } from '../base/errors.ts';
import { stateDirectory } from '../config/self-signed-store.ts';
import type { Capsule, CapsuleConnection, CapsuleEvent } from '../triage/capsule.ts';
import { CapsuleError } from '../triage/capsule-check.ts';
import { decodeCapsule } from '../triage/capsule-file.ts';
import { capsuleFileName } from '../triage/capsule-name.ts';
import {
  type ActionWords,
  onlyArgument,
  parseActionWords,
  printAnswer,
  refuseArguments,
} from './action-words.ts';

/** True for flags with a value. */
export const FLAGS = {
  list: { 'capsule-dir': true, json: false },
  show: { 'capsule-dir': true, json: false },
};

const EXIT_OK = 0;
/** A file of the directory is no capsule. */
const EXIT_NO = 1;

/** Connections that `show` tells event by event. */
const CONNECTIONS_TOLD_MAX = 1;

/** Resolves with the exit code. Throws UsageError. */
export async function capsulesCommand(words: readonly string[]): Promise<number> {
  const parsed = parseActionWords('capsules', FLAGS, words);
  return parsed.action === 'list' ? list(parsed) : show(parsed);
}

function directoryOf({ flags }: ActionWords): string {
  return flags.get('capsule-dir') ?? join(stateDirectory(process.env), 'capsules');
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

function list(words: ActionWords): number {
  refuseArguments(words, 'write capsules list');
  const directory = directoryOf(words);
  const listed = namesIn(directory).map((name) => listedFile(join(directory, name)));
  const lines = listed.length === 0 ? [`no capsules in ${directory}`] : [];
  for (const { file, writtenAt, signature, fault } of listed) {
    if (fault === '') lines.push(`${writtenAt}  ${signature}`, `  ${file}`);
    else lines.push(`${file}: ${fault}`);
  }
  printAnswer(words, listed, lines);
  return listed.some(({ fault }) => fault !== '') ? EXIT_NO : EXIT_OK;
}

/** Newest first: names begin with the time. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => capsuleFileName.test(name))
      .sort()
      .reverse();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new UsageError(`${directory}: cannot be read (${code})`, 'give another --capsule-dir');
  }
}

function listedFile(file: string): Listed {
  try {
    const { size: bytes } = statSync(file);
    const { kind, writtenAt, signature } = decodeCapsule(readFileSync(file));
    return { file, bytes, kind, writtenAt, signature, fault: '' };
  } catch (error) {
    const fault = (error as Error).message;
    return { file, bytes: 0, kind: '', writtenAt: '', signature: '', fault };
  }
}

function show(words: ActionWords): number {
  const capsule = readCapsuleFile(capsulePath(onlyArgument(words, 'FILE'), words));
  printAnswer(words, capsule, capsuleLines(capsule));
  return EXIT_OK;
}

/** A bare name is one of the current directory, or of the capsules' own. */
export function capsulePath(name: string, words: ActionWords): string {
  if (name.includes('/') || statSync(name, { throwIfNoEntry: false }) !== undefined) return name;
  return join(directoryOf(words), name);
}

/** Throws UsageError. */
export function readCapsuleFile(file: string): Capsule {
  try {
    return decodeCapsule(readFileSync(file));
  } catch (error) {
    if (error instanceof CapsuleError) {
      throw new UsageError(`${file}: ${error.message}`, 'see sluice capsules list');
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`${file}: cannot be read (${code})`, 'see sluice capsules list');
  }
}

function capsuleLines(capsule: Capsule): string[] {
  const { software, worker, death, configuration, features, connections, suspect } = capsule;
  const on = Object.keys(features).filter((name) => features[name]);
  const off = Object.keys(features).filter((name) => !features[name]);
  const lines = [capsule.signature];
  if (death !== null) {
    const what = `worker ${worker.index} (pid ${worker.pid}) ${death.summary}, `;
    lines.push(`${what}${durationText(worker.lifeMs)} after its start`);
  }
  lines.push(`at             ${capsule.writtenAt}`);
  const programs = `sluice ${software.sluice}, Node ${software.node}`;
  lines.push(
    `software       ${programs}, OpenSSL ${software.openssl}, ${software.kernel}, ${software.architecture}`,
  );
  lines.push(`configuration  ${configuration.digest.slice(0, 16)}`);
  lines.push(`features on    ${on.join(', ') || 'none'}`);
  lines.push(`features off   ${off.join(', ') || 'none'}`);
  lines.push(`observers      ${capsule.observers.join(', ') || 'none'}`);
  lines.push(`suspect        ${suspectText(capsule)}`);
  lines.push(`connections    ${connections.length} of ${capsule.recorder.handshakes}`);
  const told = connections.filter(({ id }) => id === suspect?.connection);
  for (const connection of told.slice(0, CONNECTIONS_TOLD_MAX))
    lines.push(...connectionLines(connection));
  if (capsule.nativeStack !== null) {
    const { source, text } = capsule.nativeStack;
    lines.push('', `native stack (${source})`, ...text.split('\n'));
  }
  return lines;
}

function suspectText({ suspect }: Capsule): string {
  if (suspect === null) return 'none: nothing was under way';
  const { connection, call, observer } = suspect;
  const parts = [
    connection === null ? '' : `connection ${connection}`,
    call === null ? '' : `inside ${call}`,
    observer === null ? '' : `in observer ${observer}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function connectionLines(connection: CapsuleConnection): string[] {
  const { id, role, peer, serverName, clientHello, outcome, errorCode, alert } = connection;
  const who = peer || 'peer redacted';
  const lines = ['', `connection ${id} (${role}) ${who}, ${connection.startedAt}`];
  if (serverName !== '') lines.push(`  server name  ${serverName}`);
  if (clientHello !== null) {
    lines.push(`  ClientHello  ${clientHello.length} octets, JA4 ${clientHello.ja4 || 'unknown'}`);
  }
  lines.push(
    `  outcome      ${[outcome, errorCode, alert].filter((word) => word !== '').join(' ')}`,
  );
  for (const event of connection.events) {
    lines.push(`  ${event.atMs.toFixed(3).padStart(10)} ms  ${eventText(event)}`);
  }
  return lines;
}

function eventText(event: CapsuleEvent): string {
  switch (event.type) {
    case 'received':
    case 'sent':
    case 'early-data':
      return `${event.type} ${event.length} octets`;
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
