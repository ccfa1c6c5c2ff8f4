/** `sluice certificates`: those that a running sluice gets by itself, from authorities. */
import type { CertificateState } from '../../supervisor/certificates/acme-entry.ts';
import {
  type ActionArguments,
  onlyArgument,
  parseActionArguments,
  printAnswer,
  refuseArguments,
} from '../action-arguments.ts';
import { askAdmin } from '../admin-client.ts';
import type { Command } from '../command.ts';

/** True for flags with a value. */
const FLAGS = {
  list: { admin: true, json: false },
  renew: { admin: true, json: false },
  revoke: { admin: true, json: false },
  why: { admin: true, json: false },
};

export const certificatesCommand: Command = { flags: FLAGS, run };

type CertificateArguments = ActionArguments<keyof typeof FLAGS>;

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('certificates', FLAGS, args, 'list');
  if (parsed.action === 'list') await list(parsed);
  else if (parsed.action === 'why') await why(parsed);
  else await change(parsed);
  return 0;
}

async function list(args: CertificateArguments): Promise<void> {
  refuseArguments(args, 'write certificates');
  const answer = (await askAdmin(args, '/certificates')) as { certificates: CertificateState[] };
  printAnswer(args, answer, answer.certificates.flatMap(linesOf));
}

function linesOf(state: CertificateState): string[] {
  const { names, keyType, isIssued, authority, validUntil, next, trouble } = state;
  const what = isIssued
    ? `${authority ?? 'from an authority'}, valid until ${validUntil}`
    : 'self-signed';
  const order = state.isUnderWay ? 'an order is under way' : `next order ${next}`;
  const failed = trouble === '' ? [] : [`  ${state.failures} failed: ${trouble}`];
  return [`${names.join(', ')}  ${keyType}  ${what}  ${order}`, ...failed];
}

async function why(args: CertificateArguments): Promise<void> {
  const path = `/certificates?name=${encodeURIComponent(nameIn(args))}`;
  const answer = (await askAdmin(args, path)) as { why: string[] };
  printAnswer(args, answer, answer.why);
}

async function change(args: CertificateArguments): Promise<void> {
  const name = nameIn(args);
  const answer = await askAdmin(args, '/certificates', { name, do: args.action });
  const done = args.action === 'renew' ? 'ordered again' : 'revoked, and ordered again';
  printAnswer(args, answer, [`${name}: ${done}`]);
}

function nameIn(args: CertificateArguments): string {
  return onlyArgument(args, 'NAME').toLowerCase();
}
