/** `/log` of the admin endpoint: the latest events of the error log, and how much is reported. */
import { durationText } from '../../base/duration-text.ts';
import {
  type LogLevel,
  type LogSubsystem,
  logLevels,
  logSubsystems,
} from '../../telemetry/log-event.ts';
import { logObject } from '../../telemetry/log-lines.ts';
import { type ErrorLog, levelNamed, subsystemNamed } from '../error-log.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoute,
  failure,
  success,
} from './admin-routes.ts';

const EVENTS_DEFAULT = 100;

/** Milliseconds: whoever forgets that he has asked for details has them for a day at most. */
const FOR_MS_MAX = 86_400_000;

export function logRoutes(log: ErrorLog): AdminRoute[] {
  return [
    {
      path: '/log',
      summary: '?level=L&subsystem=S&limit=N&after=LAST: the latest events of the error log',
      get: ({ query }) => readEvents(log, query),
    },
    {
      path: '/log/levels',
      summary: 'GET: what is reported; POST {"levels": {SUBSYSTEM: LEVEL or null}, "forMs": MS}',
      keys: ['levels', 'forMs'],
      get: () => success(levelsOf(log)),
      post: ({ body }) => changeLevels(log, body),
    },
  ];
}

function readEvents(log: ErrorLog, query: URLSearchParams): AdminAnswer {
  const named = query.get('level');
  const level = named === null ? null : levelNamed(named);
  if (named !== null && level === null) return failure(400, `level is one of ${logLevels.join()}`);
  const of = query.get('subsystem');
  const subsystem = of === null ? null : subsystemNamed(of);
  if (of !== null && subsystem === null) {
    return failure(400, `subsystem is one of ${logSubsystems.join()}`);
  }
  const limit = Number(query.get('limit') ?? EVENTS_DEFAULT);
  const after = Number(query.get('after') ?? 0);
  if (!Number.isInteger(limit) || limit < 1) return failure(400, 'limit is a number from 1');
  if (!Number.isInteger(after) || after < 0) return failure(400, 'after is a number from 0');
  const { events, last } = log.events({ after, level, subsystem, limit });
  const shown = events.map(({ sequence, event }) => ({ sequence, ...logObject(event) }));
  return success({ events: shown, last });
}

function levelsOf(log: ErrorLog) {
  const changed = log.changes.map(({ subsystem, level, untilMs }) => {
    return { subsystem, level, until: untilMs === null ? null : new Date(untilMs).toISOString() };
  });
  return { levels: log.levels, changed };
}

/** All of what is asked for, or nothing. */
function changeLevels(log: ErrorLog, body: AdminRequest['body']): AdminAnswer {
  const { levels, forMs = null } = body;
  if (typeof levels !== 'object' || levels === null || Array.isArray(levels)) {
    return failure(400, 'write {"levels": {SUBSYSTEM: LEVEL}}, with "forMs" for a time');
  }
  if (forMs !== null && !(typeof forMs === 'number' && forMs > 0 && forMs <= FOR_MS_MAX)) {
    return failure(400, `forMs is a number of milliseconds, at most ${FOR_MS_MAX}`);
  }
  const wanted = new Map<LogSubsystem, LogLevel | null>();
  for (const [name, value] of Object.entries(levels)) {
    const level = typeof value === 'string' ? levelNamed(value) : null;
    if (level === null && value !== null) {
      return failure(400, `a level is one of ${logLevels.join()}, or null`);
    }
    const subsystem = subsystemNamed(name);
    if (subsystem === null && name !== 'all') {
      return failure(400, `a subsystem is all, or one of ${logSubsystems.join()}`);
    }
    for (const one of subsystem === null ? logSubsystems : [subsystem]) wanted.set(one, level);
  }
  if (wanted.size === 0) return failure(400, 'levels has no subsystem');
  for (const [subsystem, level] of wanted) log.setLevel(subsystem, level, forMs);
  const told = Object.entries(levels).map(([name, level]) => `${name}=${level ?? 'default'}`);
  const time = forMs === null ? '' : ` for ${durationText(forMs)}`;
  log.report(`log: levels changed: ${told.join(' ')}${time}`, {
    level: 'notice',
    subsystem: 'logs',
    event: 'log-level-changed',
  });
  return success(levelsOf(log));
}
