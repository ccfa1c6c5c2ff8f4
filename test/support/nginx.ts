/** A real nginx as an origin, with whatever servers a test wants. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ended, start } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';
import { until } from './waiting.ts';

export interface Nginx extends AsyncDisposable {
  readonly directory: string;
  /** It hears nothing any more; the kernel goes on accepting for it. */
  freeze(): void;
}

export interface NginxSettings {
  /** What stands in `http { … }`; `DIR` stands for a directory of its own. */
  readonly http: string;
  /** By name, in that directory. */
  readonly files?: Readonly<Record<string, string>>;
  /** One that it listens on. */
  readonly port: number;
}

export async function startNginx({ http, files = {}, port }: NginxSettings): Promise<Nginx> {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  mkdirSync(join(directory, 'temp'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/temp/${name};`)
    .join('\n');
  // As root, nginx would serve as somebody who may not read the directory.
  const user = process.getuid!() === 0 ? 'user root;' : '';
  const configuration = `
    ${user}
    daemon off;
    master_process off;
    pid ${directory}/pid;
    error_log ${directory}/error.log;
    events {}
    http {
      access_log off;
      ${temporary}
      ${http.replaceAll('DIR', directory)}
    }`;
  writeFileSync(join(directory, 'nginx.conf'), configuration);
  const words = ['-p', directory, '-e', `${directory}/error.log`, '-c', `${directory}/nginx.conf`];
  const child = start('nginx', words, { stdio: 'ignore' });
  await until(() => isOpen(port), 'nginx to listen');
  return {
    directory,
    freeze: () => child.kill('SIGSTOP'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      await ended(child);
    },
  };
}

async function isOpen(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('connect', () => resolve(true));
  socket.on('error', () => resolve(false));
  const isThere = await promise;
  socket.destroy();
  return isThere;
}
