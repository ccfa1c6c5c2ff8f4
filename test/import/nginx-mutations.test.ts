/**
 * No directive of nginx is read and then forgotten: a file without one of them gives another
 * configuration, or another report.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { nginxImporter } from '../../src/import/nginx/nginx.ts';
import { type Directive, readNginx } from '../../src/import/nginx/parser.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { samples } from './nginx-samples.ts';

const directory = temporaryDirectory();

/** What a person gets, without lines and places, which change with anything. */
function importText(text: string): string {
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, text);
  const { draft, report } = nginxImporter.read(file);
  const told = report.rows().map(({ place, outcome, reasons }) => {
    return outcome === 'imported' ? '' : `${place.text} ${outcome} ${reasons.join()}`;
  });
  return JSON.stringify([draft.plain(), told.filter((line) => line !== '').toSorted()]);
}

function write(directives: readonly Directive[], without: Directive | null): string {
  return directives
    .filter((directive) => directive !== without)
    .map(({ name, args, block }) => {
      const words = [name, ...args.map(quoted)].join(' ');
      return block === null ? `${words};` : `${words} { ${write(block, without)} }`;
    })
    .join('\n');
}

function quoted(arg: string): string {
  return `"${arg.replace(/\\/g, '\\\\').replaceAll('"', '\\"')}"`;
}

function all(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((one) => [one, ...all(one.block ?? [])]);
}

/** Directives that say what would be so without them. */
const SAYS_THE_USUAL = ['proxy_redirect default', 'auth_basic off', 'proxy_cache off'];

for (const [name, text] of Object.entries(samples)) {
  test(`each directive of ${name} shows in the configuration or in the report`, () => {
    const file = join(directory, 'nginx.conf');
    writeFileSync(file, text);
    const { directives } = readNginx(file);
    const whole = importText(write(directives, null));
    const silent = all(directives).filter((one) => {
      if (one.name === 'server' || one.name === 'http') return false;
      return !SAYS_THE_USUAL.includes(one.text) && importText(write(directives, one)) === whole;
    });
    assert.deepEqual(
      silent.map(({ line, text: words }) => `${line} ${words}`),
      [],
    );
  });
}
