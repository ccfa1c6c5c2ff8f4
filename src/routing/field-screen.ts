/**
 * Field names with `_`. They are legal (RFC 9110 §5.6.2), and many an origin hands fields on as
 * CGI does (RFC 3875 §4.1.18), where `-` and `_` are the same: a client that sends
 * `X_Forwarded_For` would then speak in sluice's name.
 */
import { SluiceError } from '../base/errors.ts';
import { fieldNameInfo } from '../http/field-names.ts';
import { FieldSection } from '../http/field-section.ts';
import { type ClaimedNames, withHyphens } from './claimed-names.ts';

/**
 * - `pass`, the default: they go on, but for those that read like a field that sluice answers for.
 *   Applications use such names, and dropping all in silence, as nginx does, costs people hours.
 * - `drop`: none goes on.
 * - `refuse`: the request is answered 400.
 */
export type UnderscorePolicy = 'pass' | 'drop' | 'refuse';

/** Fields that sluice sets, or by which messages are framed and routed. */
const ANSWERED_FOR = new Set([
  'client-cert',
  'client-cert-chain',
  'connection',
  'content-length',
  'early-data',
  'forwarded',
  'host',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
]);

const REFUSED = new SluiceError('underscore-in-header', 'a field name has an underscore', {
  blame: 'downstream',
});

/**
 * Removes what may not go on; returns the error when the request is to be refused. `edited` are the
 * fields that the route edits.
 */
export function screenFields(
  fields: FieldSection,
  policy: UnderscorePolicy,
  edited: readonly string[],
): SluiceError | null {
  for (let i = fields.names.length - 1; i >= 0; i--) {
    const name = fields.names[i]!;
    if (!name.includes('_')) continue;
    if (policy === 'refuse') return REFUSED;
    const reading = name.replaceAll('_', '-');
    const isOurs = ANSWERED_FOR.has(reading) || edited.includes(reading);
    if (policy === 'drop' || isOurs) {
      fields.remove(name);
      i = Math.min(i, fields.names.length);
    }
  }
  return null;
}

export interface TrailerScreen {
  readonly policy: UnderscorePolicy;
  readonly edited: readonly string[];
  /** Fields by which only sluice says who asks. */
  readonly claims: ClaimedNames;
}

/**
 * A trailer section as it goes on: without what the head may not have either. It comes when the head
 * has gone, so that nothing is refused any more. Null for none.
 */
export function screenTrailers(
  trailers: FieldSection | null,
  { policy, edited, claims }: TrailerScreen,
): FieldSection | null {
  return withoutNames(trailers, (name) => {
    if (claims.includes(name)) return true;
    const reading = withHyphens(name);
    if (edited.includes(reading)) return true;
    if (reading === name) return false;
    return policy !== 'pass' || isForbidden(reading);
  });
}

/** Under its plain name the protocol cores drop it. */
function isForbidden(reading: string): boolean {
  return ANSWERED_FOR.has(reading) || (fieldNameInfo(reading)?.forbiddenInTrailers ?? false);
}

/** A copy without some lines, since whoever has read the section may keep it. */
export function withoutNames(
  section: FieldSection | null,
  isDropped: (name: string) => boolean,
): FieldSection | null {
  if (section === null || !section.names.some(isDropped)) return section;
  const kept = new FieldSection();
  for (const [name, value] of section) if (!isDropped(name)) kept.append(name, value);
  return kept;
}
