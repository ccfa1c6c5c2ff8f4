/** The page at the admin endpoint, as a browser shows it. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { TrafficSample } from '../../src/telemetry/traffic-sample.ts';
import { startOrigin } from '../support/origins.ts';
import { pageFiles } from '../support/page-files.ts';
import { findProgram } from '../support/programs.ts';
import { reportSample } from '../support/report-sample.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const executablePath = findProgram('chromium');
const skip = executablePath === null ? 'chromium is not installed' : false;
const TOKEN = 'a-secret-of-some-length';

const origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'max-age=60');
  response.end('ok');
});
test.after(() => origin[Symbol.asyncDispose]());

async function withPage(
  sluice: RunningSluice,
  body: (page: Page, faults: readonly string[]) => Promise<void>,
): Promise<void> {
  const browser: Browser = await chromium.launch({
    executablePath: executablePath!,
    args: ['--no-sandbox'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 360, height: 800 } });
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('request', (request) => {
      const { host } = new URL(request.url());
      if (host !== '' && host !== `127.0.0.1:${sluice.adminPort}`) faults.push(request.url());
    });
    await page.goto(`http://127.0.0.1:${sluice.adminPort}/`);
    await body(page, faults);
  } finally {
    await browser.close();
  }
}

const textOf = async (page: Page, id: string) => (await page.locator(`#${id}`).textContent()) ?? '';

test('the page shows what happens, while it happens', { skip }, async () => {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const origins = { default: { servers: [origin.url] } };
  const routes = [{ name: 'all-of-it', origin: 'default' }];
  writeFileSync(file, JSON.stringify({ origins, routes }));
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  await withPage(sluice, async (page, faults) => {
    await until(async () => /running/.test(await textOf(page, 'workers')), 'workers');
    assert.match(await textOf(page, 'state'), /2 of 2 workers/);
    assert.match(await textOf(page, 'origins'), /default · \S+:\d+up/);
    assert.match(await textOf(page, 'faults'), /none is disabled/);
    const show = process.env.SLUICE_SCREENSHOT;
    const seen = async () => {
      for (let i = 0; i < 20; i++) await (await fetch(`${sluice.httpUrl}/x`)).text();
      const rate = Number.parseFloat(await textOf(page, 'rate'));
      return rate > 0 && /%/.test(await textOf(page, 'hits'));
    };
    await until(seen, 'a rate of requests and a ratio of hits');
    assert.match(await textOf(page, 'statuses'), /2xx/);
    await until(async () => /^all-of-it\d/.test(await textOf(page, 'routes')), 'the route');
    assert.match((await page.locator('#rate-line polyline').getAttribute('points')) ?? '', /,/);
    if (show !== undefined) await page.screenshot({ path: show, fullPage: true });
    // It ends, and the page goes on showing what is.
    await until(async () => (await textOf(page, 'rate')) === '0', 'the rate to fall');
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.ok(Number(width) <= 360, `${width} px wide`);
    assert.deepEqual(faults, []);
  });
});

test('with a token, the page asks for it and keeps it to itself', { skip }, async () => {
  const file = join(temporaryDirectory(), 'token');
  writeFileSync(file, TOKEN, { mode: 0o600 });
  const flags = ['--admin-token-file', file];
  await using sluice = await startSluice({ origin: origin.url, flags });
  await withPage(sluice, async (page, faults) => {
    const state = (words: string) =>
      until(async () => (await textOf(page, 'state')).includes(words), words);
    await state('a token is needed');
    await page.fill('#token', 'not-the-token');
    await page.click('button');
    await state('the token is wrong');
    await page.fill('#token', TOKEN);
    await page.click('button');
    await state('1 of 1 workers');
    assert.equal(await page.evaluate('document.cookie + localStorage.length'), '0');
    assert.ok(!page.url().includes(TOKEN));
    assert.deepEqual(faults, []);
  });
});

test('nothing of another place can be in the page, nor the page in another', async () => {
  await using sluice = await startSluice({ origin: origin.url });
  const files = await pageFiles(`http://127.0.0.1:${sluice.adminPort}/`);
  const paths = [...files.keys()].join(' ');
  for (const name of ['/main.ts', '/style.css', '/telemetry/quantile.ts']) {
    assert.ok(paths.includes(name), `${name} is not among ${paths}`);
  }
  for (const [path, { headers, text }] of files) {
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/, path);
    assert.match(policy, /frame-ancestors 'none'/, path);
    assert.doesNotMatch(policy, /unsafe/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin', path);
    assert.doesNotMatch(text, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/, path);
  }
  assert.doesNotMatch(files.get('/')!.text, /<script>|<style>| on\w+=/);
});

test('only files of the page are served, to this machine alone, and only to readers', async () => {
  const file = join(temporaryDirectory(), 'token');
  writeFileSync(file, TOKEN, { mode: 0o600 });
  const flags = ['--admin-token-file', file];
  await using sluice = await startSluice({ origin: origin.url, flags });
  const base = `http://127.0.0.1:${sluice.adminPort}`;
  const files = await pageFiles(base);
  for (const path of files.keys()) {
    const head = await fetch(base + path, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, ''], path);
    assert.equal((await fetch(base + path, { method: 'POST' })).status, 401, path);
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const foreign = request(base + path, { headers: { host: 'evil.example' } }, (response) =>
      resolve(response.resume().statusCode),
    );
    foreign.on('error', reject).end();
    assert.equal(await promise, 403, path);
  }
  for (const path of [
    '/dashboard/',
    '/dashboard/cli/main.ts',
    '/dashboard/supervisor/dashboard/served-page.ts',
    '/dashboard/../package.json',
    '/dashboard/%2e%2e/package.json',
    '/dashboard/supervisor/dashboard/page/tsconfig.json',
  ]) {
    const answer = await fetch(base + path, { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.equal(answer.status, 404, path);
  }
});

test('a time beyond the last bound is said to be beyond it, and a name is text', {
  skip,
}, async () => {
  await using sluice = await startSluice({ origin: origin.url });
  const admin = `http://127.0.0.1:${sluice.adminPort}`;
  const traffic = (await (await fetch(`${admin}/traffic`)).json()) as TrafficSample;
  const name = '<img src=x onerror="document.title=1">';
  const none = traffic.bounds.map(() => 0);
  const route = { requests: 0, hits: 0, errors: 0, durations: [...none, 0] };
  let samples = 0;
  const sample = (): TrafficSample => {
    const slow = 5 * samples++;
    const seen = { ...route, requests: slow, errors: slow, durations: [...none, slow] };
    const durations = [...none, slow];
    return { ...traffic, atMs: samples * 1_000, durations, routes: { [name]: seen } };
  };
  await withPage(sluice, async (page, faults) => {
    await page.route('**/traffic', (asked) => asked.fulfill({ json: sample() }));
    await page.reload();
    await until(async () => (await textOf(page, 'times')) === '> 67 k ms, > 67 k ms', 'the times');
    assert.equal(await textOf(page, 'routes'), `${name}50 %5> 67 k> 67 k`);
    assert.equal(await page.locator('#routes img').count(), 0);
    assert.deepEqual(faults, []);
  });
});

test('what a triage has found is on the page, with its evidence', { skip }, async () => {
  const directory = temporaryDirectory();
  const report = join(directory, 'triage-20261123T020000000Z-crash-4711');
  mkdirSync(report);
  writeFileSync(join(report, 'report.json'), JSON.stringify(reportSample));
  mkdirSync(join(directory, 'triage-unfinished'));
  const flags = ['--incident-dir', directory];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  await withPage(sluice, async (page, faults) => {
    const summary = page.getByRole('button', { name: /danger-x to blame/ });
    await summary.click();
    await until(async () => /danger-x off/.test(await textOf(page, 'report-evidence')), 'evidence');
    assert.match(await textOf(page, 'report-facts'), /To blame: danger-x\. It does harm\./);
    assert.match(await textOf(page, 'report-facts'), /Smallest trigger, 81 bytes: a ClientHello/);
    const show = process.env.SLUICE_SCREENSHOT_TRIAGE;
    if (show !== undefined) await page.screenshot({ path: show, fullPage: true });
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.ok(Number(width) <= 360, `${width} px wide`);
    await page.getByRole('button', { name: 'Close' }).click();
    assert.equal(await page.locator('#report').isVisible(), false);
    assert.deepEqual(faults, []);
  });
  const answer = await fetch(`http://127.0.0.1:${sluice.adminPort}/triage?report=..%2Fx`);
  assert.equal(answer.status, 404);
});
