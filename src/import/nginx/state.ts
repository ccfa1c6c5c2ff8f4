/** What one import of nginx's files knows and collects, over all servers. */
import { Draft } from '../draft.ts';
import type { ImportReport } from '../report.ts';
import type { Groups } from './origins.ts';
import type { Directive } from './parser.ts';
import type { NginxServer } from './servers.ts';

export interface NginxState {
  readonly report: ImportReport;
  /** Of the first file: what relative names are relative to. */
  readonly directory: string;
  readonly groups: Groups;
  /** Definitions in `http`, by name. */
  readonly rateZones: ReadonlyMap<string, Directive>;
  readonly cacheZones: ReadonlyMap<string, Directive>;
  /**
   * The client's address comes from a header that we could not be told to read: rules by address
   * would look at the balancer's.
   */
  readonly isAddressUnknown: Directive | null;
  /** Servers whose certificate is not there, so that nobody may come in by another's; with the reason. */
  readonly closedServers: Map<NginxServer, string>;
}

/** A route in the making. */
export class RouteDraft {
  readonly match = new Draft();
  readonly body = new Draft();
  readonly #closed: string[] = [];
  access: Draft[] = [];
  /** Where `access` came from. */
  accessPlaces: Directive[] = [];

  /** Something that keeps people out could not be imported: nobody gets in until a person decides. */
  close(reason: string): void {
    if (!this.#closed.includes(reason)) this.#closed.push(reason);
  }

  get isClosed(): boolean {
    return this.#closed.length > 0;
  }

  finished(name: string): Draft {
    const route = new Draft().set('name', name);
    if (this.match.size > 0) route.set('match', this.match);
    if (this.isClosed) {
      const rule = Draft.of({ deny: 'all' });
      rule.note(...this.#closed.map((reason) => `CLOSED until you decide: ${reason}`));
      route.set('access', [rule]);
    } else if (this.access.length > 0) {
      route.set('access', this.access, ...this.accessPlaces);
    }
    return route.absorb(this.body);
  }
}
