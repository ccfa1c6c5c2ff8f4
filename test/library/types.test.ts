/**
 * What the types of `import 'sluice'` allow and forbid: the compiler checks it (`npm run check`), and the
 * one case here that every public name is documented.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import test from 'node:test';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { type Edge, type EdgeOptions, edge, type PurgeResult } from '../../src/library/index.ts';
import { publicNames } from '../../tools/library-page.ts';

/** Never called: only its types count. */
export async function allowed(): Promise<void> {
  await edge(createServer());
  await edge(express());
  await edge(Fastify());
  await edge(new Koa());
  await edge(new Hono());
  await edge((request: Request) => new Response(request.url));
  await edge(async () => new Response('hello'));
  const options: EdgeOptions = {
    https: [443, '[::]:443'],
    flags: { workers: 2, 'early-data': false },
  };
  const server: Edge = await edge(createServer(), options);
  const result: PurgeResult = await server.purge({ tag: 'a', soft: true });
  (result.purged satisfies number | null) ?? (await server.purge({ all: true }));
  await server.reload({ routes: [] });
  await using _other = server;
  // @ts-expect-error: nothing that serves.
  await edge(7);
  // @ts-expect-error: no such option.
  await edge(createServer(), { ports: 443 });
  // @ts-expect-error: a purge says of what.
  await server.purge({ soft: true });
  // @ts-expect-error: what it says is not to be changed.
  server.url = '';
}

test('every public name has a part in the reference, with its comment', () => {
  const page = readFileSync(new URL('../../docs/reference/library.md', import.meta.url), 'utf8');
  const names = publicNames();
  assert.ok(names.includes('edge') && names.length > 8);
  for (const name of names) {
    const part = page.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
    assert.match(part, /```ts\n\/\*\*[\s\S]*\*\/\nexport /, name);
  }
});
