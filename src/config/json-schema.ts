/** The schema of the configuration file as editors read it. */
import type { ValueSchema } from './document/keywords.ts';

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** JSON text, without the keywords that are ours alone. */
export function jsonSchemaText(schema: ValueSchema): string {
  const isOurs = (key: string) => key.startsWith('x-');
  const shown = (key: string, value: unknown) => (isOurs(key) ? undefined : value);
  // A place for anchors.
  const whole = { $schema: DIALECT, ...schema, patternProperties: { '^x-': {} } };
  return `${JSON.stringify(whole, shown, 2)}\n`;
}
