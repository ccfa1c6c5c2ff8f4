/** Apps that tests serve as handlers, as files of a directory of their own. */
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary.ts';

const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** A directory with those files, in which the packages of this checkout are installed. */
export function appDirectory(files: Readonly<Record<string, string>>): string {
  const directory = temporaryDirectory();
  symlinkSync(packages, join(directory, 'node_modules'));
  writeFileSync(join(directory, 'package.json'), '{"type": "module"}');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

/** As its documentation has it, with middleware, parameters, bindings, streams and an error. */
export const HONO_APP = `
import { Hono } from 'hono';
import { etag } from 'hono/etag';
import { stream } from 'hono/streaming';

type Bindings = { GREETING: string };
const app = new Hono<{ Bindings: Bindings }>();
app.use('/tagged/*', etag());
app.get('/hello/:name', (c) => c.text(\`\${c.env.GREETING}, \${c.req.param('name')}\`));
app.get('/tagged/page', (c) =>
  c.text('tagged', 200, { 'Cache-Control': 's-maxage=60', 'Cache-Tag': 'pages' }));
app.post('/json', async (c) => c.json({ got: await c.req.json() }, 201));
app.get('/stream', (c) => stream(c, async (out) => {
  for (const word of ['one ', 'two ', 'three']) await out.write(word); }));
app.get('/later', (c) => {
  c.executionCtx.waitUntil(Promise.reject(new Error('later'))); return c.text('now'); });
app.get('/cookies', (c) => {
  c.header('Set-Cookie', 'a=1', { append: true });
  c.header('Set-Cookie', 'b=2', { append: true }); return c.text('two'); });
app.get('/redirect', (c) => c.redirect('/hello/you', 302));
app.notFound((c) => c.text('nothing here', 404));
export default app;
`;

/** As one for Cloudflare Workers is written: three arguments, and what can go wrong in one. */
export const WORKERS_APP = `
interface Env { SECRET: string }
interface Context { waitUntil(promise: Promise<unknown>): void }
let served: number = 0;

export default {
  async fetch(
    request: Request,
    env: Env & Record<string, any>,
    ctx: Context & Record<string, any>,
  ): Promise<Response> {
    const url = new URL(request.url);
    switch (url.pathname) {
      case '/echo':
        return new Response(request.body, { headers: { 'Content-Type': 'application/x-echo' } });
      case '/facts': return Response.json({ url: request.url, env: env.env,
        secret: env.SECRET, early: ctx.early, client: ctx.client,
        sent: request.headers.get('sluice-client') });
      case '/throw': throw new Error('thrown on purpose');
      case '/break': return new Response(new ReadableStream({
        start(c) { c.enqueue(new TextEncoder().encode('half')); },
        pull() { throw new Error('broken on purpose'); } }));
      case '/none': return 'no response' as unknown as Response;
      case '/never': return new Promise<Response>(() => {});
      case '/loop': for (;;) served++;
      case '/exit': process.exit(3);
      case '/uncaught': setTimeout(() => { throw new Error('uncaught on purpose'); });
        return new Promise<Response>(() => {});
      case '/heap': { const all: unknown[] = []; for (;;) all.push(new Array(100_000).fill(served++)); }
      case '/buffers': { const all: Uint8Array[] = []; for (;;) {
        all.push(new Uint8Array(4 * 2 ** 20).fill(1)); await new Promise((go) => setTimeout(go, 5)); } }
      case '/kill': process.kill(process.pid, 'SIGKILL'); return new Promise<Response>(() => {});
      case '/trailers':
        ctx.setTrailers({ 'X-Sum': '42' });
        return new Response('body', { headers: { 'Content-Length': '4' } });
      case '/sent-trailers':
        { await request.text(); return new Response((await ctx.requestTrailers()).get('x-sent')); }
      case '/hints':
        ctx.earlyHints({ Link: '</a.css>; rel=preload; as=style' }); return new Response('hinted');
      case '/cached':
        return new Response(\`number \${++served}\`, {
          headers: { 'Cache-Control': 's-maxage=60', 'Cache-Tag': 'news' } });
      case '/pid': return new Response(String(process.pid));
      default: return new Response(\`\${request.method} \${url.pathname}\`, {
        headers: { 'Cache-Control': 'no-store' } });
    }
  },
};
`;
