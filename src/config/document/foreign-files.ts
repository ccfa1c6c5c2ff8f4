/** Files of other servers, which somebody gives to sluice as its own. */

interface ForeignFile {
  readonly server: string;
  /** Lines that only its files have, and YAML of ours never: as `significantText` leaves them. */
  readonly marks: RegExp;
}

const FOREIGN: readonly ForeignFile[] = [
  { server: 'Varnish (VCL)', marks: /^ ?(?:vcl 4\.\d;|sub vcl_\w|backend \w+ \{)/m },
  { server: 'nginx', marks: /^ ?(?:server|http|events|stream) ?\{/m },
  { server: 'nginx', marks: /^ ?(?:location|upstream) [^{:\n]*\{/m },
  {
    server: 'nginx',
    marks: /^ ?(?:listen|server_name|proxy_pass|worker_processes|include|root) [^;:\n][^;\n]*;/m,
  },
  {
    server: 'HAProxy',
    marks: /^(?:global|defaults|(?:frontend|backend|listen) [\w.-]+)\n [a-z][\w-]* /m,
  },
  { server: 'Apache httpd', marks: /^ ?<(?:VirtualHost|Location|IfModule|Directory)\b/m },
  {
    server: 'Traffic Server (remap.config)',
    marks:
      /^ ?(?:regex_)?(?:map|map_with_recv_port|redirect|redirect_temporary|reverse_map) \S+:\/\//m,
  },
  { server: 'Traffic Server (records.config)', marks: /^CONFIG proxy\.config\./m },
  { server: 'Traffic Server (records.yaml)', marks: /^records:\n [\w.]+:/m },
  { server: 'Traffic Server (sni.yaml)', marks: /^sni:\n ?- fqdn:/m },
  { server: 'Traffic Server (remap.yaml)', marks: /^remap:\n ?- type:/m },
  { server: 'Traefik', marks: /^(?:entryPoints|providers):$|^http:\n (?:routers|services):/m },
  { server: 'Envoy', marks: /^(?:static_resources|dynamic_resources):/m },
  { server: 'Caddy', marks: /^[\w.*:/, -]+\{\n ?(?:reverse_proxy|file_server|encode)\b/m },
];

/** Characters in which marks are looked for. */
const HEAD_CHARACTERS = 65_536;

/** Whose file this is; null when it may be ours. */
function foreignServer(text: string): string | null {
  const head = significantText(text.slice(0, HEAD_CHARACTERS));
  return FOREIGN.find(({ marks }) => marks.test(head))?.server ?? null;
}

export interface ForeignWords {
  readonly problem: string;
  readonly remedy: string;
}

/** What somebody is told who gives us this text as ours; null when it may be. */
export function foreignWords(file: string, text: string): ForeignWords | null {
  const server = foreignServer(text);
  if (server === null) return null;
  const problem = `this is a file of ${server}, and sluice has a language of its own`;
  if (server === 'nginx')
    return { problem, remedy: `sluice import nginx ${shellWord(file)} writes it as YAML` };
  const remedy =
    'write it as YAML, as sluice config explain shows the keys: origins, routes, hosts';
  return { problem, remedy };
}

function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Without comments and empty lines, and with one blank for many: so that patterns stay simple. */
function significantText(text: string): string {
  return text
    .split('\n')
    .map((line) => withoutComment(line.replace(/[ \t\r]+/g, ' ')).trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}

function withoutComment(line: string): string {
  if (line.startsWith('#')) return '';
  const at = line.indexOf(' #');
  return at === -1 ? line : line.slice(0, at);
}
