/** Parts of a request by their names: path and query of its target, parameters, cookies. */
import { parameterName } from '../cache/rules/key.ts';
import type { FieldSection } from '../http/field-section.ts';

export function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? target : target.slice(0, mark);
}

export function queryOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? '' : target.slice(mark + 1);
}

/** Those of one name, in their order, as they were sent: `name=value`, or a name alone. */
export function parametersNamed(target: string, name: string): string[] {
  return queryOf(target)
    .split('&')
    .filter((one) => one !== '' && parameterName(one) === name);
}

/** The values of all of one name, in their order. */
export function* cookiesNamed(fields: FieldSection, name: string): Generator<string> {
  for (const line of fields.all('cookie')) {
    for (const pair of line.split(';')) {
      const equals = pair.indexOf('=');
      if (equals !== -1 && pair.slice(0, equals).trim() === name)
        yield pair.slice(equals + 1).trim();
    }
  }
}
