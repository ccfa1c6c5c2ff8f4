/** What an operator is told of the servers of a group. */
import { durationText } from '../base/duration-text.ts';
import type { UpstreamEndpoint } from '../upstream/endpoint.ts';
import { BAD_ANSWERS, type TroubleNews, troubleNumber, troubleText } from '../upstream/trouble.ts';
import type { WorkerLog } from './worker-log.ts';

/** Reports which addresses of a group are asked, and which are not. */
export function healthTeller({ report }: WorkerLog, group: string) {
  const subsystem = 'origins';
  return {
    /** Of the checks: they are one worker's, for all. */
    verdict({ key }: UpstreamEndpoint, fault: string): void {
      const fields = { origin: group, address: key };
      if (fault === '') {
        const detail = { level: 'notice', subsystem, event: 'origin-up', fields } as const;
        report(`origin ${group}: ${key} is up by its checks`, detail);
        return;
      }
      const detail = { level: 'warning', subsystem, event: 'origin-down', fields } as const;
      report(`origin ${group}: ${key} is down by its checks: ${fault}`, detail);
    },
    /** Of what requests have met. */
    trouble(server: string, news: TroubleNews): void {
      const place = `origin ${group}: ${server}`;
      if (news.kind === 'ends') {
        const fields = { origin: group, server, failures: news.failures, lasted_ms: news.lastedMs };
        const detail = { level: 'notice', subsystem, event: 'origin-recovered', fields } as const;
        const length = `${durationText(news.lastedMs)} and ${countText(news.failures)}`;
        report(`${place} answers again after ${length}`, detail);
        return;
      }
      const { code, message: detailed, request } = news.failure;
      // An error's own words say too much for a line, where a word or two say all.
      const number = troubleNumber(code);
      const message = number === 0 || code === BAD_ANSWERS ? detailed : troubleText(number);
      const fields = { origin: group, server, error: code, request };
      if (news.kind === 'begins') {
        const detail = { level: 'warning', subsystem, event: 'origin-fails', fields } as const;
        report(`${place} fails: ${message} (${request})`, detail);
        return;
      }
      const more = { ...fields, failures: news.failures, lasted_ms: news.lastedMs };
      const detail = {
        level: 'warning',
        subsystem,
        event: 'origin-still-fails',
        fields: more,
      } as const;
      const length = `for ${durationText(news.lastedMs)}, ${countText(news.failures)} more`;
      report(`${place} still fails, ${length}: ${message} (${request})`, detail);
    },
    /** Of what requests have met: each worker has its own opinion. */
    ejection({ key }: UpstreamEndpoint, isEjected: boolean): void {
      const fields = { origin: group, address: key };
      if (isEjected) {
        const detail = { level: 'warning', subsystem, event: 'origin-ejected', fields } as const;
        const why = 'it failed too often (outlier detection)';
        report(`origin ${group}: ${key} is out of rotation for a while: ${why}`, detail);
        return;
      }
      const detail = { level: 'info', subsystem, event: 'origin-readmitted', fields } as const;
      report(`origin ${group}: ${key} is back in rotation`, detail);
    },
  };
}

function countText(failures: number): string {
  return failures === 1 ? '1 failure' : `${failures} failures`;
}
