/** docs/examples/sluice.yaml with the files that it names. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Authority } from './authority.ts';
import { temporaryDirectory } from './temporary.ts';

const example = fileURLToPath(new URL('../../docs/examples/sluice.yaml', import.meta.url));

export interface ExampleSite {
  readonly directory: string;
  readonly file: string;
  readonly text: string;
}

export function exampleSite(): ExampleSite {
  const directory = temporaryDirectory();
  const authority = new Authority();
  const certificates = {
    'example.org': ['example.org', '*.example.org'],
    partners: ['partners.example.net'],
  };
  for (const [name, names] of Object.entries(certificates)) {
    const { certificateFile, keyFile } = authority.issue({ names });
    copyFileSync(certificateFile, join(directory, `${name}.pem`));
    copyFileSync(keyFile, join(directory, `${name}.key`));
  }
  copyFileSync(authority.certificateFile, join(directory, 'partners-ca.pem'));
  const file = join(directory, 'sluice.yaml');
  copyFileSync(example, file);
  return { directory, file, text: readFileSync(file, 'utf8') };
}
