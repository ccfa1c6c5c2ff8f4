/** curl, with what it received taken apart. */
import { type Fields, fieldsOf } from './messages.ts';
import { run } from './programs.ts';

export interface CurlResult {
  readonly status: number;
  readonly fields: Fields;
  readonly content: string;
}

/** Runs curl; rejects with its words when it fails. Verifies nothing about certificates. */
export async function curl(url: string, ...words: readonly string[]): Promise<CurlResult> {
  const all = ['--silent', '--show-error', '--insecure', '--include', '--max-time', '15'];
  const { code, text, stderr } = await run('curl', [...all, ...words, url]);
  if (code !== 0) throw new Error(`curl ${words.join(' ')} ${url} failed (${code}): ${stderr}`);
  return lastResponse(text);
}

/** Interim responses come first and are left out. */
function lastResponse(text: string): CurlResult {
  let rest = text;
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n');
    const status = Number(/^HTTP\/[\d.]+ (\d{3})/.exec(rest)?.[1] ?? 0);
    const after = headEnd === -1 ? '' : rest.slice(headEnd + 4);
    if (status >= 100 && status < 200 && status !== 101) {
      rest = after;
      continue;
    }
    const head = headEnd === -1 ? rest : rest.slice(0, headEnd + 2);
    const fields = fieldsOf(head.slice(head.indexOf('\r\n') + 2));
    return { status, fields, content: after };
  }
}
