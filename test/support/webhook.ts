/** Where sluice tells what its rollbacks do. */
import { startOrigin } from './origins.ts';

export interface Webhook extends AsyncDisposable {
  readonly url: string;
  /** What was told so far. */
  readonly messages: readonly string[];
}

export async function startWebhook(): Promise<Webhook> {
  const messages: string[] = [];
  const origin = await startOrigin((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      messages.push((JSON.parse(body) as { message: string }).message);
      response.end();
    });
  });
  return {
    url: `${origin.url}/`,
    messages,
    [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose](),
  };
}
