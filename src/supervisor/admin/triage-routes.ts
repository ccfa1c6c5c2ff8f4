/** `/triage` of the admin endpoint: reports that `sluice triage` has left beside the incidents. */
import { join } from 'node:path';
import { namesIn, readCarefully } from '../../base/careful-files.ts';
import type { TriageReport } from '../../triage/report/report.ts';
import { readReport, reportFiles } from '../../triage/report/triage-directory.ts';
import type { ReportAnswer, TriageAnswer, TriageEntry } from '../dashboard/answers.ts';
import { type AdminAnswer, type AdminRoute, failure, success } from './admin-routes.ts';

/** Directories of reports; where else they are put by `--out` is not looked at. */
const REPORT_DIRECTORY = /^triage-[\w.-]{1,200}$/;
/** Newest first; who has more deletes some. */
const REPORTS_MAX = 50;
/** Ten times that of a triage over a thousand questions. */
const REPORT_BYTES_MAX = 8 * 1024 * 1024;

export function triageRoutes(incidentDirectory: string | null): AdminRoute[] {
  return [
    {
      path: '/triage',
      summary: 'Reports of `sluice triage`, or with ?report=NAME one of them.',
      get({ query }) {
        const name = query.get('report');
        return name === null
          ? success({ reports: entriesIn(incidentDirectory) } satisfies TriageAnswer)
          : oneReport(incidentDirectory, name);
      },
    },
  ];
}

function oneReport(directory: string | null, name: string): AdminAnswer {
  const isOne = directory !== null && REPORT_DIRECTORY.test(name);
  const report = isOne ? readOrNull(directory, name) : null;
  return report === null
    ? failure(404, `no report ${JSON.stringify(name)}`)
    : success(report satisfies ReportAnswer);
}

function entriesIn(directory: string | null): TriageEntry[] {
  if (directory === null) return [];
  return reportsIn(directory)
    .flatMap((name) => {
      const report = readOrNull(directory, name);
      if (report === null) return [];
      const { writtenAt, verdict, summary } = report;
      return [{ name, writtenAt, verdict, summary }];
    })
    .sort((one, other) => other.writtenAt.localeCompare(one.writtenAt));
}

/** The names begin with the time of the incident. */
function reportsIn(directory: string): string[] {
  try {
    const names = namesIn(directory).filter((name) => REPORT_DIRECTORY.test(name));
    return names.sort().reverse().slice(0, REPORTS_MAX);
  } catch {
    // There is none as long as there is no incident.
    return [];
  }
}

/** Null for a triage that has not ended, and for what is no report. */
function readOrNull(directory: string, name: string): TriageReport | null {
  try {
    const file = join(directory, name, reportFiles.json);
    return readReport(readCarefully(file, REPORT_BYTES_MAX));
  } catch {
    return null;
  }
}
