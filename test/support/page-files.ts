/** The page for browsers at the admin endpoint, and every file that it or one of its scripts names. */
import assert from 'node:assert/strict';

export interface PageFile {
  readonly headers: Headers;
  readonly text: string;
}

/** By path. Fails for a file that is named and not there, or that a browser would not take. */
export async function pageFiles(adminUrl: string): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  const waiting = [{ path: '/', type: 'text/html' }];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const { path, type } = one;
    if (files.has(path)) continue;
    const response = await fetch(new URL(path, adminUrl));
    const text = await response.text();
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get('content-type'), `${type}; charset=utf-8`, path);
    files.set(path, { headers: response.headers, text });
    for (const name of namesIn(type, text)) {
      const named = new URL(name, new URL(path, adminUrl)).pathname;
      waiting.push({ path: named, type: name.endsWith('.css') ? 'text/css' : 'text/javascript' });
    }
  }
  return files;
}

function namesIn(type: string, text: string): string[] {
  const pattern =
    type === 'text/html'
      ? /\b(?:src|href)="(\/[^"]+)"/g
      : /\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}
