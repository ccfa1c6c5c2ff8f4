/** docs/reference/configuration.md, from the schema in src/config/schema/. */
import { exampleText, flowText } from '../src/config/document/keywords.ts';
import {
  allKeys,
  defaultText,
  formText,
  isWrittenInWords,
  type KeyInfo,
  keysBelow,
} from '../src/config/keys.ts';
import { optionTable } from '../src/config/option-table.ts';
import { configurationSchema } from '../src/config/schema/configuration.ts';

const root: KeyInfo = { path: '', schema: configurationSchema };

export function configurationPage(): string {
  const flags = new Set<string>(optionTable.map(({ name }) => name));
  const top = keysBelow(root);
  // Some sections have a short form, which says the same as the flag of their name.
  const isSection = (key: KeyInfo) => !flags.has(key.path) || keysBelow(key).length > 0;
  const isFlag = ({ path }: KeyInfo) => Number(flags.has(path));
  const sections = top.filter(isSection).toSorted((a, b) => isFlag(a) - isFlag(b));
  const contents = sections.map(({ path }) => `[\`${path}\`](#${path})`).join(', ');
  return `# Configuration file

<!-- Written by \`npm run docs\` from src/config/schema/. -->

\`sluice --config sluice.yaml\` starts with a configuration file. \`sluice check sluice.yaml\` lists every
mistake in it, with line, column, the nearest key and an example, and starts nothing.
\`sluice config explain KEY\` describes one key. The format is YAML 1.2 (or JSON), at most 1 MiB.

Its sections: ${contents}.

- File names are relative to the directory of the configuration file.
- Times have a unit: \`250ms\`, \`30s\`, \`5m\`, \`12h\`, \`7d\`. Sizes are bytes, or have a unit:
  \`64KiB\`, \`16MiB\`, \`1GiB\`. Booleans are \`on\` and \`off\`. Percentages are written as \`20%\`.
- Addresses are \`192.0.2.1\`, a range is \`10.0.0.0/8\` or \`2001:db8::/32\`, and \`localhost\` is this
  machine.
- Flags override the file. \`--http\` and \`--https\` replace \`listeners\`, \`--cert\` and
  \`--key\` of \`hosts\`, \`--origin\` of \`origins\` and \`routes\`; each other flag replaces the key of
  the same name.
- Environment variables are not expanded: the file has the same meaning for every user that starts
  it, and \`sluice check\` shows it. Secrets are in separate files, which the configuration names.
- Write a repeated part once, with an anchor (\`&name\`) and refer to
  it (\`*name\`).

Editors complete and check the file by its [JSON Schema](../../schema/sluice.schema.json), which the
package brings along. With the YAML language server (in VS Code: the extension YAML), the first line
names it; \`sluice config schema\` prints it as well.

\`\`\`yaml
# yaml-language-server: $schema=node_modules/sluice/schema/sluice.schema.json
\`\`\`

A whole file is [docs/examples/sluice.yaml](../examples/sluice.yaml).

${sections.map(sectionText).join('\n')}
## Keys that say the same as a flag

Each is written under the flag's name, without \`--\`: \`workers: 4\`. A flag that may be given more than
once takes a list. What they mean is in [command line](command-line.md).

${top
  .filter((key) => !isSection(key))
  .map(({ path, schema }) => `- \`${path}: ${exampleText(schema)}\` – ${schema.title}`)
  .join('\n')}
`;
}

function sectionText(key: KeyInfo): string {
  return [`## \`${key.path}\``, '', bodyText(key), ...allKeys(key).map(keyText)].join('\n');
}

function keyText(key: KeyInfo): string {
  return `### \`${key.path}\`\n\n${bodyText(key)}`;
}

function bodyText({ path, schema }: KeyInfo): string {
  const { title = '', description = '', examples = [] } = schema;
  const name = path.slice(path.lastIndexOf('.') + 1).replace(/\[\]$/, '');
  const written = defaultText(schema);
  const shown = isWrittenInWords(schema) ? written : `\`${written}\``;
  const lines = [
    `${title} ${description}`.trim(),
    '',
    `- Written: \`${formText(schema)}\``,
    ...(schema.default === undefined ? [] : [`- Default: ${shown}`]),
    ...examples.map((example) => `- Example: \`${name}: ${flowText(example)}\``),
    '',
  ];
  return lines.join('\n');
}
