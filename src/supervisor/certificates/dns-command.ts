/** Records in DNS, made and removed by the operator's program (dns-01). */
import { execFile } from 'node:child_process';
import { dnsRecord } from '../../acme/challenges.ts';
import type { Challenge } from '../../acme/contract.ts';
import type { Report } from '../../telemetry/log-event.ts';

/** Milliseconds until a program that makes a record is ended: zones take their time to be everywhere. */
export const DNS_COMMAND_TIMEOUT_MS = 120_000;
/** Characters of what it printed that are told. */
const TOLD_LENGTH_MAX = 300;

/** Adds or removes the records of these challenges. Rejects with an Error that says what it printed. */
export async function changeRecords(
  command: string | null,
  action: 'add' | 'remove',
  challenges: readonly Challenge[],
): Promise<void> {
  // One after the other: programs that write a zone seldom bear two of themselves.
  for (const challenge of challenges) {
    if (challenge.type === 'dns-01' && command !== null) await change(command, action, challenge);
  }
}

function change(command: string, action: string, challenge: Challenge): Promise<void> {
  const { name, value } = dnsRecord(challenge);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { timeout: DNS_COMMAND_TIMEOUT_MS, encoding: 'utf8' } as const;
  execFile(command, [action, name, value], options, (error, output, complaint) => {
    if (error === null) {
      resolve();
      return;
    }
    const { killed, code, message } = error;
    const how = killed
      ? 'it took too long'
      : code === undefined
        ? message
        : `it ended with ${code}`;
    const printed = `${complaint}${output}`.trim().slice(-TOLD_LENGTH_MAX);
    const words = printed === '' ? '' : `: ${printed}`;
    reject(new Error(`${command} ${action} ${name}: ${how}${words}`));
  });
  return promise;
}

/** Tells of what stays behind: it does no harm. */
export async function removeRecords(
  command: string | null,
  challenges: readonly Challenge[],
  report: Report,
): Promise<void> {
  try {
    await changeRecords(command, 'remove', challenges);
  } catch (error) {
    const detail = { level: 'warning', event: 'dns-record-left' } as const;
    report(`a record stays in DNS: ${(error as Error).message}`, detail);
  }
}
