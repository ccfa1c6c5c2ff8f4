/** Bodies that follow from their path, so that each byte of each answer can be checked. */
import { createCipheriv, createHash } from 'node:crypto';
import { type Agent, get as getHttp, type IncomingMessage } from 'node:http';
import { patience } from '../support/waiting.ts';

/** Longest body. Beyond 64 KiB it takes several fragments on disk. */
const BODY_BYTES_MAX = 200_000;

/** The body that belongs to a path: its length and its bytes follow from the path alone. */
export function bodyOf(path: string): Buffer {
  const seed = createHash('sha256').update(path).digest();
  const length = seed.readUInt32BE(0) % BODY_BYTES_MAX;
  const stream = createCipheriv('aes-256-ctr', seed, seed.subarray(0, 16));
  return stream.update(Buffer.alloc(length));
}

export type Verdict = 'right' | 'refused' | 'cut' | 'wrong';

export interface Asked {
  readonly verdict: Verdict;
  /** 0 when there was no response. */
  readonly status: number;
  readonly why: string;
}

/**
 * Asks once, without repeating. `right`: 200 and every byte is the path's. `refused`: an error that
 * says so, or no response. `cut`: a body that the client sees is not whole. `wrong`: whole, and not
 * the path's.
 */
export function ask(port: number, path: string, agent?: Agent): Promise<Asked> {
  const { promise, resolve } = Promise.withResolvers<Asked>();
  const options = {
    port,
    host: '127.0.0.1',
    path,
    headers: { Host: 'a.example' },
    agent: agent ?? false,
  };
  const request = getHttp(options, (response) => {
    const pieces: Buffer[] = [];
    const { statusCode: status = 0 } = response;
    response.on('data', (piece: Buffer) => pieces.push(piece));
    response.on('error', (error) => resolve({ verdict: 'cut', status, why: error.message }));
    response.on('end', () => resolve(judge(response, path, Buffer.concat(pieces))));
  });
  request.setTimeout(patience(20_000), () => request.destroy(new Error('no answer in time')));
  request.on('error', (error) => resolve({ verdict: 'refused', status: 0, why: error.message }));
  return promise;
}

function judge(response: IncomingMessage, path: string, body: Buffer): Asked {
  const { statusCode: status = 0 } = response;
  if (!response.complete) return { verdict: 'cut', status, why: `${body.length} bytes` };
  if (status !== 200)
    return { verdict: 'refused', status, why: String(response.headers['proxy-status']) };
  const isRight = body.equals(bodyOf(path));
  return { verdict: isRight ? 'right' : 'wrong', status, why: `${body.length} bytes` };
}

export function countOf(answers: readonly Asked[], verdict: Verdict): number {
  return answers.filter((one) => one.verdict === verdict).length;
}

/** How each answer that was not right went wrong, with how often. */
export function faultsIn(answers: readonly Asked[]): string {
  const counts = new Map<string, number>();
  for (const { verdict, status, why } of answers) {
    if (verdict === 'right') continue;
    const text = `${verdict} ${status} ${why}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => `${count} × ${text}`).join('\n');
}
