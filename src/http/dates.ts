/**
 * HTTP-date (RFC 9110 §5.6.7): the preferred format and the two obsolete ones that recipients must
 * accept. Names of days, months and the zone are read without regard to case; nothing else is.
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAY = '(?:mon|tue|wed|thu|fri|sat|sun)';
const LONG_DAY = '(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)';
const MONTH = `(${MONTHS.join('|')})`;
const TIME = '(\\d{2}):(\\d{2}):(\\d{2})';

const IMF_FIXDATE = new RegExp(`^${DAY}, (\\d{2}) ${MONTH} (\\d{4}) ${TIME} gmt$`, 'i');
const RFC850_DATE = new RegExp(`^${LONG_DAY}, (\\d{2})-${MONTH}-(\\d{2}) ${TIME} gmt$`, 'i');
const ASCTIME_DATE = new RegExp(`^${DAY} ${MONTH} ([ \\d]\\d) ${TIME} (\\d{4})$`, 'i');

const FIFTY_YEARS_MS = 50 * 365.25 * 86_400_000;

/**
 * Milliseconds since the epoch, or undefined when the text is no HTTP-date. `nowMs` decides the
 * century of a two-digit year: not more than 50 years ahead (RFC 9110 §5.6.7).
 */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  let match = IMF_FIXDATE.exec(text);
  if (match !== null) {
    const [, day, month, year, hour, minute, second] = match;
    return timeOf(Number(year), month!, day!, hour!, minute!, second!);
  }
  match = RFC850_DATE.exec(text);
  if (match !== null) {
    const [, day, month, year, hour, minute, second] = match;
    const century = Math.floor(new Date(nowMs).getUTCFullYear() / 100) * 100;
    const inCentury = (full: number): number | undefined =>
      timeOf(full, month!, day!, hour!, minute!, second!);
    const time = inCentury(century + Number(year));
    if (time === undefined || time - nowMs <= FIFTY_YEARS_MS) return time;
    return inCentury(century - 100 + Number(year));
  }
  match = ASCTIME_DATE.exec(text);
  if (match === null) return undefined;
  const [, month, day, hour, minute, second, year] = match;
  return timeOf(Number(year), month!, day!, hour!, minute!, second!);
}

function timeOf(
  year: number,
  monthName: string,
  dayText: string,
  hourText: string,
  minuteText: string,
  secondText: string,
): number | undefined {
  const month = MONTHS.indexOf(monthName.toLowerCase());
  const [day, hour, minute] = [Number(dayText), Number(hourText), Number(minuteText)];
  // A leap second is written 60 and read as the second after (RFC 9110 §5.6.7).
  const second = Number(secondText);
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const date = new Date(Date.UTC(2000, month, day, hour, minute, second));
  date.setUTCFullYear(year, month, day);
  return date.getUTCMonth() === month && day > 0 ? date.getTime() : undefined;
}

/** The last second formatted: every response of one second carries the same Date. */
let lastSecond = Number.NaN;
let lastDate = '';

/** The preferred format, IMF-fixdate; whole seconds, rounded down. */
export function formatHttpDate(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second === lastSecond) return lastDate;
  lastDate = new Date(second * 1000).toUTCString();
  lastSecond = second;
  return lastDate;
}
