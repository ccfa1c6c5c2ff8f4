import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { findProgram, run } from '../support/programs.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const browser = NAMES.map(findProgram).find((path) => path !== null) ?? null;
const skip = browser === null ? `none of ${NAMES.join(', ')} is installed` : false;

/** A first start of a browser on a busy machine. */
const BROWSER_TIMEOUT_MS = 60_000;
const IMAGES = 30;

const PAGE = `<!doctype html><title>t</title><p id=out>waiting</p>
${Array.from({ length: IMAGES }, (_, i) => `<img src="/image/${i}.svg">`).join('\n')}
<script type=module>
  const posted = await fetch('/post', { method: 'POST', body: 'x'.repeat(100000) });
  const cached = await (await fetch('/cached')).text() + await (await fetch('/cached')).text();
  const { nextHopProtocol } = performance.getEntriesByType('navigation')[0];
  await Promise.all([...document.images].map((image) => image.decode()));
  document.getElementById('out').textContent =
    [nextHopProtocol, await posted.text(), cached, document.images.length].join(' | ');
</script>`;

const origin = await startOrigin((request, response, seen) => {
  const path = request.url!;
  if (path === '/') {
    response.setHeader('Content-Type', 'text/html');
    response.end(PAGE);
  } else if (path.startsWith('/image')) {
    response.setHeader('Content-Type', 'image/svg+xml');
    response.end('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>');
  } else if (path === '/cached') {
    response.setHeader('Cache-Control', 's-maxage=60, max-age=0');
    response.end('kept ');
  } else {
    request.on('end', () => response.end(`posted ${seen.contentBytes}`)).resume();
  }
});
const accessLog = join(temporaryDirectory(), 'access.log');
const flags = ['--access-log', accessLog, '--log-format', 'json'];
const sluice = await startSluice({ origin: origin.url, flags });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const QUIET = [
  'background-networking',
  'component-update',
  'default-apps',
  'extensions',
  'gpu',
  'quic',
  'sync',
  'dev-shm-usage',
].map((feature) => `--disable-${feature}`);

test('Chromium loads a page with its parts over HTTP/2', { skip }, async () => {
  const profile = `--user-data-dir=${temporaryDirectory()}`;
  const words = ['--headless', '--no-sandbox', '--no-first-run', ...QUIET, profile];
  words.push('--ignore-certificate-errors', '--virtual-time-budget=20000', '--dump-dom');
  const url = `https://127.0.0.1:${sluice.httpsPort}/`;
  const { text, stderr } = await run(browser!, [...words, url], { timeoutMs: BROWSER_TIMEOUT_MS });
  const wanted = `h2 | posted 100000 | kept kept  | ${IMAGES}`;
  assert.ok(text.includes(wanted), `${text.slice(0, 2_000)}\n${stderr.slice(-2_000)}`);
  // The log is written behind the answers, and a part of a line may be there alone.
  const records = await until(() => {
    const lines = readFileSync(accessLog, 'utf8').split('\n').slice(0, -1);
    const whole = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const images = whole.filter((record) => String(record.path).startsWith('/image/'));
    return images.length >= IMAGES && whole;
  }, 'the log lines of all images');
  const images = records.filter((record) => String(record.path).startsWith('/image/'));
  assert.equal(images.length, IMAGES);
  for (const record of records) assert.equal(record.version, '2');
  assert.equal(origin.asked('/cached').length, 1, 'the second one was a hit');
});
