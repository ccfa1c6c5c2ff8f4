/** docs/reference/library.md: what `import 'sluice'` gives, from the declarations and their comments. */
import { readFileSync } from 'node:fs';

const directory = new URL('../src/library/', import.meta.url);

/** In the order in which a reader needs them. */
const FILES = ['edge.ts', 'edge-options.ts', 'edge-contract.ts', 'app-server.ts'];

/** A comment, and the exported declaration below it, up to the line that ends it. */
const DECLARATION =
  /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\nexport (?:async )?(?:interface|type|function) (\w+)[\s\S]*?\n(?:\}|(?= *\n))/g;

/** Public names, as src/library/index.ts exports them. */
export function publicNames(): string[] {
  const text = readFileSync(new URL('index.ts', directory), 'utf8');
  return [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list]) =>
    list!
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  );
}

export function libraryPage(): string {
  const names = publicNames();
  const parts = FILES.flatMap((file) => declarations(file, names));
  return `# Library

<!-- Written by \`npm run docs\` from src/library/. -->

\`import { edge } from 'sluice'\` works in any Node from 20 on, and is written in ES modules with types.
[How to put sluice in front of a Node app](../how-to/in-front-of-a-node-app.md) has examples.

${parts.join('\n')}`;
}

function declarations(file: string, names: readonly string[]): string[] {
  const text = readFileSync(new URL(file, directory), 'utf8');
  return [...text.matchAll(DECLARATION)]
    .filter(([, name]) => names.includes(name!))
    .map(([all, name]) => `## ${name}\n\n\`\`\`ts\n${signature(all).trimEnd()}\n\`\`\`\n`);
}

/** A function without its body; nothing but what a caller sees. */
function signature(text: string): string {
  const plain = text.replace('export async function', 'export function');
  return plain.includes('export function') ? `${/[\s\S]*?>(?= \{)/.exec(plain)![0]};` : plain;
}
