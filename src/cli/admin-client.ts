/** Asks the admin endpoint of a running sluice. */
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { UsageError } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { optionNamed } from '../config/option-table.ts';
import { isLoopback, parseSocketAddress } from '../config/option-values.ts';
import type { ActionArguments } from './action-arguments.ts';

/** Where `sluice demo` has its admin endpoint. */
const ADMIN_DEFAULT = '127.0.0.1:8081';
const ANSWER_TIMEOUT_MS = 15_000;

/** Nobody answers at the admin endpoint. */
export class NotRunningError extends UsageError {}

function adminOf({ flags }: ActionArguments): SocketAddress {
  const text = flags.get('admin') ?? ADMIN_DEFAULT;
  const given = { text, place: '--admin', directory: '/' };
  const socketAddress = parseSocketAddress(optionNamed('admin')!, given);
  if (isLoopback(socketAddress)) return socketAddress;
  throw new UsageError(`--admin ${text}: not a loopback address`, 'write 127.0.0.1:PORT');
}

/**
 * The JSON answer to a GET of `path`, or to a POST of `body` when there is one. Throws UsageError
 * when nobody answers or the request was refused.
 */
export async function askAdmin(
  args: ActionArguments,
  path: string,
  body?: unknown,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<unknown> {
  const { status, type, text } = await exchange(args, path, body, timeoutMs);
  const isJson = type === 'application/json';
  const answer: unknown = isJson ? JSON.parse(text) : { error: text.trim() };
  if (status === 200) return answer;
  const { error } = answer as { error: string };
  const command = args.action === '' ? args.command : `${args.command} ${args.action}`;
  const remedy =
    status === 401 ? `name the file of its token in ${TOKEN_FILE_VARIABLE}` : 'see sluice --help';
  throw new UsageError(`${command}: ${error}`, remedy);
}

/** As `askAdmin`, of a page of text. */
export async function askAdminText(args: ActionArguments, path: string): Promise<string> {
  const { status, text } = await exchange(args, path, undefined, ANSWER_TIMEOUT_MS);
  if (status === 200) return text;
  throw new UsageError(`${args.command}: ${text.trim()}`, 'see sluice --help');
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

async function exchange(
  args: ActionArguments,
  path: string,
  body: unknown,
  timeoutMs: number,
): Promise<Answer> {
  const socketAddress = adminOf(args);
  const where = 'path' in socketAddress ? { socketPath: socketAddress.path } : socketAddress;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request({
    ...where,
    path,
    method: body === undefined ? 'GET' : 'POST',
    headers: { host: 'localhost', 'content-type': 'application/json', ...authorization() },
    timeout: timeoutMs,
    agent: false,
  });
  outgoing.on('response', resolve).on('error', reject);
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
  outgoing.end(body === undefined ? '' : JSON.stringify(body));
  try {
    const response = await promise;
    const text = Buffer.concat(await response.toArray()).toString('utf8');
    const type = response.headers['content-type'] ?? '';
    return { status: response.statusCode ?? 0, type, text };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const address = args.flags.get('admin') ?? ADMIN_DEFAULT;
    const remedy = 'start sluice with --admin, and name the same address here with --admin';
    throw new NotRunningError(`no admin endpoint at ${address} (${code ?? message})`, remedy);
  }
}

/** Where commands find the token of --admin-token-file. */
const TOKEN_FILE_VARIABLE = 'SLUICE_ADMIN_TOKEN_FILE';

function authorization(): { authorization?: string } {
  const file = process.env[TOKEN_FILE_VARIABLE] ?? '';
  if (file === '') return {};
  try {
    return { authorization: `Bearer ${readFileSync(file, 'utf8').trim()}` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = `${TOKEN_FILE_VARIABLE} ${JSON.stringify(file)}: cannot be read (${code})`;
    throw new UsageError(problem, 'name the file that --admin-token-file names');
  }
}
