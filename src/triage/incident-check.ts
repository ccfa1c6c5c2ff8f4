/** Whether a JSON value is an incident, and if not, where and why. Fields not known are ignored. */
import { INCIDENT_FORMAT, INCIDENT_VERSION, type Incident, incidentKinds } from './incident.ts';

export class IncidentError extends Error {
  override readonly name = 'IncidentError';
  /** Where in the document, as `connections[2].events[0].atMs`; '' for all of it. */
  readonly path: string;

  constructor(path: string, problem: string) {
    super(path === '' ? `the incident ${problem}` : `the incident's ${path} ${problem}`);
    this.path = path;
  }
}

type Check = (value: unknown, path: string) => void;

function refuse(path: string, expected: string, value: unknown): never {
  if (value === undefined) throw new IncidentError(path, `is missing: ${expected} is needed`);
  const shown = JSON.stringify(value) ?? String(value);
  const short = shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
  throw new IncidentError(path, `is ${short}, and ${expected} is needed`);
}

const text: Check = (value, path) => {
  if (typeof value !== 'string') refuse(path, 'a string', value);
};

const flag: Check = (value, path) => {
  if (typeof value !== 'boolean') refuse(path, 'true or false', value);
};

const count: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) refuse(path, 'a count', value);
};

const milliseconds: Check = (value, path) => {
  if (typeof value !== 'number' || !(value >= 0 && value < 1e15)) {
    refuse(path, 'a number of milliseconds', value);
  }
};

const instant: Check = (value, path) => {
  if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) {
    refuse(path, 'a time in ISO 8601', value);
  }
};

const sha256: Check = (value, path) => {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) {
    refuse(path, 'a SHA-256 in lower-case hexadecimal digits', value);
  }
};

const base64: Check = (value, path) => {
  if (
    typeof value !== 'string' ||
    !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)
  ) {
    refuse(path, 'base64', value);
  }
};

const oneOf =
  (...words: readonly (string | number)[]): Check =>
  (value, path) => {
    if (!words.includes(value as string)) {
      refuse(
        path,
        words.length === 1 ? JSON.stringify(words[0]) : `one of ${words.join(', ')}`,
        value,
      );
    }
  };

const orNull =
  (check: Check): Check =>
  (value, path) => {
    if (value !== null) check(value, path);
  };

const list =
  (check: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value)) refuse(path, 'a list', value);
    for (const [index, item] of value.entries()) check(item, `${path}[${index}]`);
  };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value, path) => {
    if (!isRecord(value)) refuse(path, 'an object', value);
    for (const [name, check] of Object.entries(checks)) {
      check(value[name], path === '' ? name : `${path}.${name}`);
    }
  };

const map =
  (check: Check): Check =>
  (value, path) => {
    if (!isRecord(value)) refuse(path, 'an object', value);
    for (const [name, item] of Object.entries(value)) {
      check(item, `${path}[${JSON.stringify(name)}]`);
    }
  };

/** By the value of `type`. */
const variants =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value, path) => {
    if (!isRecord(value)) refuse(path, 'an object', value);
    const { type } = value;
    if (typeof type !== 'string' || !Object.hasOwn(checks, type)) {
      refuse(`${path}.type`, `one of ${Object.keys(checks).join(', ')}`, type);
    }
    checks[type]!(value, path);
  };

const optional =
  (check: Check): Check =>
  (value, path) => {
    if (value !== undefined) check(value, path);
  };

const present: Check = (value, path) => {
  if (value === undefined) refuse(path, 'a JSON value', value);
};

const part: Check = (value, path) => {
  if (isRecord(value) && 'bytes' in value) fields({ bytes: base64 })(value, path);
  else fields({ omitted: count, why: oneOf('sealed', 'framing', 'room') })(value, path);
};

const received: Check = (value, path) => {
  fields({ atMs: milliseconds, length: count, parts: list(part) })(value, path);
  const { length, parts } = value as {
    length: number;
    parts: ({ bytes: string } | { omitted: number })[];
  };
  let sum = 0;
  for (const one of parts) {
    sum += 'bytes' in one ? Buffer.byteLength(one.bytes, 'base64') : one.omitted;
  }
  if (sum !== length) throw new IncidentError(`${path}.parts`, `sum up to ${sum}, not ${length}`);
};

const call = fields({ atMs: milliseconds, call: text });
const watching = fields({ atMs: milliseconds, observer: text });

const event = variants({
  received,
  'early-data': fields({ atMs: milliseconds, length: count, sha256: optional(sha256) }),
  sent: fields({ atMs: milliseconds, length: count }),
  state: fields({ atMs: milliseconds, state: text }),
  entered: call,
  left: call,
  'observer-entered': watching,
  'observer-left': watching,
  ended: fields({ atMs: milliseconds, outcome: oneOf('complete', 'failed') }),
});

const connection = fields({
  id: count,
  role: oneOf('server', 'client'),
  peer: text,
  startedAt: instant,
  serverName: text,
  clientHello: orNull(
    fields({ ja4: text, shape: text, traits: optional(list(text)), sha256, length: count }),
  ),
  outcome: oneOf('open', 'complete', 'failed'),
  errorCode: text,
  alert: text,
  records: list(fields({ offset: count, type: count, length: count })),
  events: list(event),
  isCut: flag,
});

const header: Check = (value, path) => {
  const isKeptOut = isRecord(value) && 'bytes' in value;
  fields({ name: text, ...(isKeptOut ? { bytes: count } : { value: text }) })(value, path);
};

/** -1: not known in advance. */
const announced: Check = (value, path) => {
  if (value !== -1) count(value, path);
};

const message = {
  headers: list(header),
  isCut: flag,
  body: fields({ announced, bytes: count, pieces: list(count), isWhole: flag }),
};

const request = fields({
  number: count,
  ...{ method: text, authority: text, path: text, isCut: flag, version: text },
  ...{ tls: flag, early: flag, peer: text, startedAt: instant, phase: text },
  queryBytes: optional(count),
  message: optional(fields(message)),
  response: optional(orNull(fields({ ...message, status: count }))),
});

const exception = fields({
  ...{ type: text, message: text, frames: list(text), stack: text, fields: list(text) },
});

const document = fields({
  kind: oneOf(...incidentKinds),
  writtenAt: instant,
  signature: text,
  software: fields({ sluice: text, node: text, openssl: text, kernel: text, architecture: text }),
  worker: fields({ index: count, pid: count, startedAt: instant, lifeMs: milliseconds }),
  death: orNull(
    fields({
      summary: text,
      signal: orNull(text),
      exitCode: orNull(count),
      silentMs: orNull(milliseconds),
      outOfMemory: orNull(flag),
    }),
  ),
  configuration: fields({
    digest: sha256,
    options: present,
    lastGood: orNull(fields({ digest: sha256, options: present })),
    text: orNull(text),
  }),
  features: map(flag),
  observers: list(text),
  suspect: orNull(
    fields({
      connection: orNull(count),
      call: orNull(text),
      observer: orNull(text),
      request: optional(orNull(count)),
    }),
  ),
  connections: list(connection),
  requests: optional(list(request)),
  exception: optional(orNull(exception)),
  nativeStack: orNull(fields({ source: oneOf('gdb', 'core', 'node'), text })),
  wrongNumber: optional(fields({ rule: text, text })),
  recorder: fields({ damagedEvents: count, handshakes: count, requests: optional(count) }),
});

/** Throws IncidentError. */
export function checkIncident(value: unknown): Incident {
  if (!isRecord(value)) throw new IncidentError('', 'is not an object');
  // First of all, whether it is meant to be one, and one that we know.
  oneOf(INCIDENT_FORMAT)(value.format, 'format');
  if (value.version !== INCIDENT_VERSION) {
    throw new IncidentError(
      'version',
      `is ${JSON.stringify(value.version)}, and this sluice reads version ${INCIDENT_VERSION}`,
    );
  }
  document(value, '');
  const { suspect, connections } = value as unknown as Incident;
  const id = suspect?.connection ?? null;
  if (id !== null && !connections.some((one) => one.id === id)) {
    throw new IncidentError('suspect.connection', `is ${id}, which is none of the connections`);
  }
  return value as unknown as Incident;
}
