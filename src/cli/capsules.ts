/** `sluice capsules`: what was recorded of faults, newest first, and one of them in words. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { harmlessLine } from '../base/harmless-text.ts';
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
  let text = listed.length === 0 ? `no capsules in ${directory}\n` : '';
  for (const { file, writtenAt, signature, fault } of listed) {
    text += fault === '' ? `${writtenAt}  ${signature}\n  ${file}\n` : `${file}: ${fault}\n`;
  }
  printAnswer(words, listed, text);
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
  printAnswer(words, capsule, capsuleText(capsule));
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

function capsuleText(capsule: Capsule): string {
  const { software, worker, death, configuration, features, connections, suspect } = capsule;
  const on = Object.keys(features).filter((name) => features[name]);
  const off = Object.keys(features).filter((name) => !features[name]);
  let text = `${capsule.signature}\n`;
  if (death !== null) {
    text += `worker ${worker.index} (pid ${worker.pid}) ${death.summary}, `;
    text += `${(worker.lifeMs / 1000).toFixed(1)} s after its start\n`;
  }
  text += `at             ${capsule.writtenAt}\n`;
  text += `software       sluice ${software.sluice}, Node ${software.node}, `;
  text += `OpenSSL ${software.openssl}, ${software.kernel}, ${software.architecture}\n`;
  text += `configuration  ${configuration.digest.slice(0, 16)}\n`;
  text += `features on    ${on.join(', ') || 'none'}\n`;
  text += `features off   ${off.join(', ') || 'none'}\n`;
  text += `observers      ${capsule.observers.join(', ') || 'none'}\n`;
  text += `suspect        ${suspectText(capsule)}\n`;
  text += `connections    ${connections.length} of ${capsule.recorder.handshakes}\n`;
  const told = connections.filter(({ id }) => id === suspect?.connection);
  for (const connection of told.slice(0, CONNECTIONS_TOLD_MAX)) text += connectionText(connection);
  if (capsule.nativeStack !== null) {
    text += `\nnative stack (${capsule.nativeStack.source})\n${capsule.nativeStack.text}\n`;
  }
  return text;
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

function connectionText(connection: CapsuleConnection): string {
  const { id, role, peer, serverName, clientHello, outcome, errorCode, alert } = connection;
  let text = `\nconnection ${id} (${role}) ${peer || 'peer redacted'}, ${connection.startedAt}\n`;
  if (serverName !== '') text += `  server name  ${harmlessLine(serverName)}\n`;
  if (clientHello !== null) {
    text += `  ClientHello  ${clientHello.length} octets, JA4 ${clientHello.ja4 || 'unknown'}\n`;
  }
  text += `  outcome      ${[outcome, errorCode, alert].filter((word) => word !== '').join(' ')}\n`;
  for (const event of connection.events) {
    text += `  ${event.atMs.toFixed(3).padStart(10)} ms  ${eventText(event)}\n`;
  }
  return text;
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
