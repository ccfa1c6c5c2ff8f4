/** Files of other servers, which somebody gives to sluice as its own. */

interface ForeignFile {
  readonly server: string;
  /** Lines that only its files have, and YAML of ours never. */
  readonly marks: RegExp;
}

const FOREIGN: readonly ForeignFile[] = [
  { server: 'Varnish (VCL)', marks: /^\s*(?:vcl 4\.\d;|sub vcl_\w+|backend \w+ \{)/m },
  {
    server: 'nginx',
    marks: /^\s*(?:(?:server|http|events|stream|location\s[^{:]*|upstream\s+[\w.-]+)\s*\{)/m,
  },
  {
    server: 'nginx',
    marks: /^\s*(?:listen|server_name|proxy_pass|worker_processes|include|root)\s+[^;:][^;]*;/m,
  },
  {
    server: 'HAProxy',
    marks:
      /^(?:global|defaults|(?:frontend|backend|listen)\s+[\w.-]+)\s*(?:#.*)?\n\s+[a-z][\w-]*\s/m,
  },
  { server: 'Apache httpd', marks: /^\s*<(?:VirtualHost|Location|IfModule|Directory)\b/m },
  {
    server: 'Traffic Server (remap.config)',
    marks:
      /^\s*(?:regex_)?(?:map|map_with_recv_port|redirect|redirect_temporary|reverse_map)\s+\S+:\/\//m,
  },
  { server: 'Traffic Server (records.config)', marks: /^CONFIG proxy\.config\./m },
  {
    server: 'Traffic Server (records.yaml)',
    marks: /^records:\s*(?:#.*)?\n(?:\s*#.*\n|\s*\n)*\s+[\w.]+:/m,
  },
  { server: 'Traffic Server (sni.yaml)', marks: /^sni:\s*(?:#.*)?\n\s*-\s+fqdn:/m },
  { server: 'Traffic Server (remap.yaml)', marks: /^remap:\s*(?:#.*)?\n\s*-\s+type:/m },
  {
    server: 'Traefik',
    marks: /^(?:entryPoints|providers):\s*$|^http:\s*\n\s+(?:routers|services):/m,
  },
  { server: 'Envoy', marks: /^(?:static_resources|dynamic_resources):/m },
  {
    server: 'Caddy',
    marks:
      /^[\w.*:/-]+(?:,\s*[\w.*:/-]+)*\s*\{\s*\n(?:\s*#.*\n)*\s*(?:reverse_proxy|file_server|encode)\b/m,
  },
];

/** Characters in which marks are looked for. */
const HEAD_CHARACTERS = 65_536;

/** Whose file this is; null when it may be ours. */
export function foreignServer(text: string): string | null {
  const head = text.slice(0, HEAD_CHARACTERS);
  return FOREIGN.find(({ marks }) => marks.test(head))?.server ?? null;
}
