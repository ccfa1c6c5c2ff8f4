/** The servers under test, all started alike: one worker, loopback, the same origin and key. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unusedPort } from '../../test/support/origins.ts';
import { findProgram } from '../../test/support/programs.ts';
import { accepting, cores, type Started, start } from './processes.ts';

export interface Surroundings {
  /** Of the whole run; each subject makes a directory of its own. On a RAM file system if there is one. */
  readonly directory: string;
  readonly originPort: number;
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface RunningSubject extends Started {
  readonly httpPort: number;
  readonly httpsPort: number;
}

export interface Subject {
  readonly name: string;
  start(surroundings: Surroundings): Promise<RunningSubject>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

async function ready(started: Started, httpPort: number, httpsPort: number) {
  await accepting(httpPort, started);
  await accepting(httpsPort, started);
  return { ...started, httpPort, httpsPort };
}

export const sluice: Subject = {
  name: 'sluice',
  async start({ originPort, certificateFile, keyFile }) {
    const [httpPort, httpsPort] = [await unusedPort(), await unusedPort()];
    const words = [join(root, 'bin/sluice.js'), '--origin', `http://127.0.0.1:${originPort}`];
    words.push('--http', `${httpPort}`, '--https', `${httpsPort}`, '--workers', '1');
    words.push('--cert', certificateFile, '--key', keyFile);
    const started = start(process.execPath, words, cores.subject);
    return ready(started, httpPort, httpsPort);
  },
};

export const nginx: Subject = {
  name: 'nginx',
  async start({ directory, originPort, certificateFile, keyFile }) {
    const [httpPort, httpsPort] = [await unusedPort(), await unusedPort()];
    const home = join(directory, `nginx-${httpPort}`);
    mkdirSync(home);
    const words = { originPort, httpPort, httpsPort, certificateFile, keyFile };
    writeFileSync(join(home, 'nginx.conf'), nginxConfiguration(words));
    const all = ['-p', home, '-c', 'nginx.conf', '-e', 'error.log'];
    const started = start(findProgram('nginx')!, all, cores.subject, { cwd: home });
    return ready(started, httpPort, httpsPort);
  },
};

/**
 * A caching proxy of one worker. Beyond the defaults: cached files are kept open, as nginx has no
 * cache in memory; connections are not closed after 1,000 requests; logs are off, as sluice's are.
 */
function nginxConfiguration(words: {
  originPort: number;
  httpPort: number;
  httpsPort: number;
  certificateFile: string;
  keyFile: string;
}): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
worker_processes 1;
pid nginx.pid;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  ${temporary.map((name) => `${name}_temp_path ${name};`).join('\n  ')}
  proxy_cache_path cache levels=1:2 keys_zone=bench:16m max_size=512m inactive=1h use_temp_path=off;
  open_file_cache max=10000 inactive=1h;
  open_file_cache_valid 1h;
  upstream origin {
    server 127.0.0.1:${words.originPort};
    keepalive 128;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${words.httpPort} backlog=4096;
    listen 127.0.0.1:${words.httpsPort} ssl http2 backlog=4096;
    ssl_certificate ${words.certificateFile};
    ssl_certificate_key ${words.keyFile};
    ssl_protocols TLSv1.3;
    ssl_early_data on;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_cache bench;
      proxy_cache_key $request_uri;
    }
  }
}
`;
}

/** A server that somebody else brings; see the help of bench/run.mjs for what it must do. */
export function outsider(name: string, command: string): Subject {
  return {
    name,
    async start({ originPort, certificateFile, keyFile }) {
      const [httpPort, httpsPort] = [await unusedPort(), await unusedPort()];
      const env = {
        ...process.env,
        ORIGIN: `http://127.0.0.1:${originPort}`,
        HTTP_PORT: `${httpPort}`,
        HTTPS_PORT: `${httpsPort}`,
        CERT: certificateFile,
        KEY: keyFile,
      };
      const started = start('sh', ['-c', command], cores.subject, { env });
      return ready(started, httpPort, httpsPort);
    },
  };
}
