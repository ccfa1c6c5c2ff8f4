/**
 * Comes before a test file in its process: tells the runner what that cost when it ends, with all the
 * programs that it started and waited for.
 */
import { appendFileSync, readFileSync } from 'node:fs';

const tellIn = process.env.SLUICE_TEST_COSTS;
delete process.env.SLUICE_TEST_COSTS;
// Programs that are started with the same words of Node's do not begin with this.
process.execArgv = process.execArgv.filter((word) => !word.startsWith('--import='));
if (tellIn !== undefined) process.on('exit', tell);

/** Fields of /proc/PID/stat behind the name: own time, and that of children, in hundredths of a second. */
const FIRST_TIME = 11;
const TIMES = 4;
const TICKS_PER_SECOND = 100;

function tell() {
  const words = readFileSync('/proc/self/stat', 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  const times = words.slice(FIRST_TIME, FIRST_TIME + TIMES).map(Number);
  const seconds = times.reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
  appendFileSync(tellIn, `${JSON.stringify({ file: process.argv[1], seconds })}\n`);
}
