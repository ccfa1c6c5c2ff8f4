/**
 * What is decided about a connection's ClientHello: made by the first step that looks at it
 * (`chooseHost` in server-context.ts), completed by whoever is asked next, kept with the connection,
 * and read by its engine. A second ClientHello (RFC 8446 §4.1.4), and one that is looked at again
 * after a pause, get a decision of their own, which takes over what must not be asked twice.
 */
import type { Ssl } from '../../native/ssl.ts';
import type { ClusterStrike } from '../cluster.ts';

export interface HelloFacts {
  /** The index of the host that it has named. */
  readonly host: number;
  /** As asked for, in lower case; '' for none. */
  readonly serverName: string;
  /** A number of its first ticket, of which each has another; null without one. */
  readonly ticketMark: number | null;
  /** RFC 8446 §4.2.10: it has said that early data follows. */
  readonly offersEarlyData: boolean;
}

/** What the cluster is asked about a ClientHello. */
interface ClusterQuestion {
  /** ClientHello.random. */
  readonly random: Uint8Array;
  /** Null until it comes. */
  answer: ClusterStrike | null;
}

export class HelloDecision implements HelloFacts {
  readonly host: number;
  readonly serverName: string;
  readonly ticketMark: number | null;
  /** One of them has: the second ClientHello must not. */
  readonly offersEarlyData: boolean;
  /** Null when the cluster need not be asked. */
  clusterQuestion: ClusterQuestion | null;
  /** OpenSSL would have accepted its early data: it has asked us. */
  wasAsked = false;
  /** Why its early data was refused by us, in words; '' when it was not. */
  refusal = '';
  /** Of early data that is allowed and may still come, or has come. See `EarlyDataAcceptance.release`. */
  reservedBytes: number;

  /** `before` is the decision about the same connection's last look at a ClientHello. */
  constructor(facts: HelloFacts, before: HelloDecision | null = null) {
    this.host = facts.host;
    this.serverName = facts.serverName;
    this.ticketMark = facts.ticketMark;
    this.offersEarlyData = facts.offersEarlyData || before?.offersEarlyData === true;
    this.clusterQuestion = before?.clusterQuestion ?? null;
    this.reservedBytes = before?.reservedBytes ?? 0;
  }
}

/** Null before the first step, and for a client. */
export function decisionOf({ decision }: Pick<Ssl, 'decision'>): HelloDecision | null {
  return decision instanceof HelloDecision ? decision : null;
}
