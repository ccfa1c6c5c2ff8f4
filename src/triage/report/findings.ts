/** From what a triage run has found to its report. */

import { ExtensionType } from '../../tls/client-hello.ts';
import { placeOf } from '../exception.ts';
import type { Evidence } from '../experiments.ts';
import { faultOf } from '../fault.ts';
import {
  type Incident,
  type IncidentSoftware,
  incidentRequestText,
  suspectedRequest,
} from '../incident.ts';
import { readHello } from '../reduce/hello-model.ts';
import { helloWords } from '../reduce/hello-words.ts';
import { requestBytes, requestWords } from '../reduce/request-words.ts';
import { firstFlightOf } from '../reduce/script-reduction.ts';
import {
  type Findings,
  REPORT_FORMAT,
  REPORT_VERSION,
  type TriageReport,
  type Trigger,
} from './report.ts';
import { adviceOf, isRetried, summaryOf } from './words.ts';

/** What is reported on, and where and when. */
export interface ReportInput {
  readonly incident: Incident;
  /** The incident's file, as the report names it. */
  readonly file: string;
  /** Of this machine. */
  readonly software: IncidentSoftware;
  readonly nowMs: number;
}

export function reportOf(
  { incident, file, software, nowMs }: ReportInput,
  findings: Findings,
  evidence: readonly Evidence[],
): TriageReport {
  const { reproduction, features, rules, configuration, setting, commit, proof } = findings;
  const verdict = verdictOf(findings);
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    writtenAt: new Date(nowMs).toISOString(),
    incident: {
      file,
      ...faultOf(incident),
      writtenAt: incident.writtenAt,
      summary: whatOf(incident),
      software: incident.software,
    },
    verdict,
    summary: summaryOf(whatOf(incident), verdict, findings),
    reproduction,
    features,
    rules,
    configuration,
    trigger: triggerOf(findings),
    commit,
    proof,
    advice: adviceOf(verdict, findings),
    evidence: evidence.map(({ key: _, ...row }) => row),
    nativeStack: incident.nativeStack,
    software,
    setting: setting === null ? null : { options: setting.options, features: setting.features },
  };
}

function verdictOf(findings: Findings): TriageReport['verdict'] {
  if (findings.recorded === null) return 'not-reproducible';
  const { features, rules, configuration, commit } = findings;
  const isFound = [features, rules, configuration, commit].some(({ status }) => status === 'found');
  return isFound ? 'cause-found' : 'no-cause-found';
}

/** As `Worker killed by SIGSEGV in SSL_read_early_data, in observer x`. */
function whatOf(incident: Incident): string {
  const { kind, death, suspect, signature, exception } = incident;
  if (kind === 'callback-fault') return `Exception in a callback (${signature})`;
  if (kind === 'handshake-failure') return `Handshake that fails (${signature})`;
  const call = suspect?.call == null ? '' : ` in ${suspect.call}`;
  const observer = suspect?.observer == null ? '' : `, in observer ${suspect.observer}`;
  const how = kind === 'hang' ? 'that hangs' : (death?.summary ?? 'that died');
  if (exception != null) {
    const place = placeOf(exception);
    return `Worker ${how}: ${exception.type}${place === '' ? '' : ` in ${place}`}`;
  }
  const request = suspectedRequest(incident);
  const asked =
    request === undefined ? '' : `, at ${incidentRequestText(request)} in ${request.phase}`;
  return `Worker ${how}${call}${observer}${asked}`;
}

/** What was recorded, when nothing less was looked for. */
function triggerOf({ trigger, recorded, received, reproduction }: Findings): Trigger | null {
  const script = trigger ?? recorded;
  // Of many connections at once none alone is it.
  if (script === null || recorded === null) return null;
  if (reproduction.what === 'all' && trigger === null) return null;
  if (script.mode === 'request') {
    return {
      words: requestWords(script),
      script,
      bytes: requestBytes(script),
      bytesBefore: recorded.mode === 'request' ? requestBytes(recorded) : 0,
      needsEarlyData: false,
      isRetried: null,
    };
  }
  const bytes = firstFlightOf(script);
  const [flight] = script.flights;
  const isEarly = flight?.kind === 'client-hello' && flight.earlyData.length > 0;
  return {
    words: bytes === null ? 'no bytes of its own' : helloWords(bytes),
    script,
    bytes: bytes?.length ?? 0,
    bytesBefore: recorded.mode === 'request' ? 0 : (firstFlightOf(recorded)?.length ?? 0),
    needsEarlyData: isEarly || (bytes !== null && offersEarlyData(bytes)),
    isRetried: isRetried(received),
  };
}

function offersEarlyData(bytes: Uint8Array): boolean {
  const extensions = readHello(bytes)?.extensions ?? [];
  return extensions.some(({ type }) => type === ExtensionType.earlyData);
}
