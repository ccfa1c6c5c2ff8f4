/** Ways to write a path that some origin reads as the same, for tests of rules about paths. */

/** `/private/a`: as it is, and some thirty other spellings, of which every one names it to somebody. */
export function spellingsOf(path: string): string[] {
  const [, first = '', ...rest] = path.split('/');
  const tail = rest.length === 0 ? '' : `/${rest.join('/')}`;
  const letter = first.charCodeAt(0).toString(16);
  const other = first.slice(1);
  const encoded = [...first].map((one) => `%${one.charCodeAt(0).toString(16)}`).join('');
  return [
    path,
    `/${path}`,
    `//${path}`,
    `/.${path}`,
    `/./.${path}`,
    `/x/..${path}`,
    `/x/y/../..${path}`,
    `/%2e${path}`,
    `/x/%2e%2e${path}`,
    `/x/%2E%2e${path}`,
    `/x%2f..${path}`,
    `/x%2F%2e%2e${path}`,
    `/%${letter}${other}${tail}`,
    `/%${letter.toUpperCase()}${other}${tail}`,
    `/${encoded}${tail}`,
    `/%25${letter}${other}${tail}`,
    `/%2f${first}${tail}`,
    `/${first}${tail.replaceAll('/', '%2f')}`,
    `/${first};x=1${tail}`,
    `/;x${path}`,
    `/x;/..${path}`,
    `\\${first}${tail}`.replace(/^\\/, '/\\'),
    `/${first}${tail.replaceAll('/', '\\')}`,
    `/${first}${tail.replaceAll('/', '%5c')}`,
    `/x/..\\${first}${tail}`,
    `${path}?x=1`,
    `${path}%3fx=1`,
    `${path}%23x`,
    `${path}%00`,
    `${path}/.`,
    `${path}//`,
    `${path}/x/..`,
  ];
}
