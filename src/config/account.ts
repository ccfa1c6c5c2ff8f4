/** The account that workers run as: `NAME`, `NAME:GROUP`, or numbers in place of either. */
import { readFileSync } from 'node:fs';
import { type ExplicitValue, type OptionWords, refuse, writeAs } from './option-values.ts';
import type { Account } from './options.ts';

const PASSWD = '/etc/passwd';
const GROUP = '/etc/group';
/** Above what uid_t has room for stand values with a meaning of their own. */
const ID_MAX = 0xffff_fffe;

export function parseAccount(option: OptionWords, given: ExplicitValue): Account {
  const { text } = given;
  const [name = '', group, ...more] = text.split(':');
  if (name === '' || group === '' || more.length > 0) {
    refuse(given, 'not an account', writeAs(option, given));
  }
  const user = rowOf(PASSWD, name);
  const uid = user === null ? numberOf(name) : Number(user[2]);
  if (uid === null) refuse(given, `there is no user ${name} in ${PASSWD}`, REMEDY);
  const groupRow = group === undefined ? null : rowOf(GROUP, group);
  const own = group === undefined ? Number(user?.[3] ?? uid) : numberOf(group);
  const gid = groupRow === null ? own : Number(groupRow[2]);
  if (gid === null) refuse(given, `there is no group ${group} in ${GROUP}`, REMEDY);
  return { name, uid, gid };
}

const REMEDY = 'name one that there is, or write its number';

/** Fields of the row that begins with this name (passwd(5), group(5)); null when there is none. */
function rowOf(file: string, name: string): string[] | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  const row = text.split('\n').find((line) => line.startsWith(`${name}:`));
  return row?.split(':') ?? null;
}

function numberOf(text: string): number | null {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  return id >= 0 && id <= ID_MAX ? id : null;
}
