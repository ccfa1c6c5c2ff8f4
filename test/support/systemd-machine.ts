/** A systemd that runs as pid 1 of a machine of the test's own; see systemd-machine.sh. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ended, findProgram, type RunResult, run, start } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';
import { until, within } from './waiting.ts';

const script = fileURLToPath(new URL('systemd-machine.sh', import.meta.url));
const checkout = fileURLToPath(new URL('../..', import.meta.url));

/** What a Debian has, as far as anybody asks. */
const etc: Readonly<Record<string, string>> = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n',
  group: 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n',
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  'systemd/system/machine.target': '[Unit]\nRequires=basic.target\nAfter=basic.target\n',
};

/** Of what stands in the way on this machine. */
export function unlessSystemdBoots(): false | string {
  if (process.getuid?.() !== 0) return 'only root can boot a machine of its own';
  for (const name of ['systemctl', 'unshare', 'nsenter', 'setpriv', 'ip']) {
    if (findProgram(name) === null) return `${name} is not installed`;
  }
  const words = '--mount --cgroup --pid --uts --ipc --net --fork --propagation private'.split(' ');
  const directory = temporaryDirectory();
  const { status } = spawnSync('unshare', [...words, 'mount', '-t', 'cgroup2', 'x', directory]);
  return status === 0 ? false : 'this machine allows no namespaces of processes, mounts and groups';
}

export class SystemdMachine implements AsyncDisposable {
  readonly #child: ReturnType<typeof start>;
  /** Of its pid 1, as this machine counts. */
  #pid = 0;
  #log = '';

  /** Files of /etc, by their paths in it. */
  static async boot(files: Readonly<Record<string, string>>): Promise<SystemdMachine> {
    const machine = new SystemdMachine(files);
    await machine.#booted();
    return machine;
  }

  private constructor(files: Readonly<Record<string, string>>) {
    const directory = temporaryDirectory();
    for (const [path, text] of Object.entries({ ...etc, ...files })) {
      mkdirSync(dirname(join(directory, 'etc', path)), { recursive: true });
      writeFileSync(join(directory, 'etc', path), text);
    }
    this.#child = start(script, [directory, checkout], { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = (bytes: Buffer) => {
      this.#log += bytes.toString('latin1');
    };
    this.#child.stdout!.on('data', log);
    this.#child.stderr!.on('data', log);
  }

  async #booted(): Promise<void> {
    this.#pid = await until(() => this.#findSystemd(), 'pid 1 of the machine');
    // Waits until the target is reached; there is a bus to ask a moment after pid 1.
    await until(
      async () => /^(?:running|degraded)$/m.test((await this.systemctl('is-system-running')).text),
      'the machine to boot',
    ).catch((error: Error) => {
      throw new Error(`${error.message}; it said:\n${this.#log}`);
    });
  }

  /** The only process below the script that runs systemd. */
  #findSystemd(): number | undefined {
    if (this.#child.exitCode !== null) throw new Error(`no machine: ${this.#log}`);
    try {
      for (let pid = this.#child.pid!; ; ) {
        const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
        if (children === '') return undefined;
        pid = Number(children.split(' ')[0]);
        if (readFileSync(`/proc/${pid}/comm`, 'latin1') === 'systemd\n') return pid;
      }
    } catch {
      // A child has ended between the two reads.
      return undefined;
    }
  }

  /** A program of the machine, run in it as its root. */
  run(command: string, ...words: readonly string[]): Promise<RunResult> {
    return run('nsenter', [...this.#into, '--root', '--wd', command, ...words]);
  }

  systemctl(...words: readonly string[]): Promise<RunResult> {
    return this.run('systemctl', ...words);
  }

  /** One property of a unit (systemctl(1), `show`). */
  async property(unit: string, name: string): Promise<string> {
    return (await this.systemctl('show', '--value', '--property', name, unit)).text.trim();
  }

  async write(path: string, text: string): Promise<void> {
    // Through the shell's redirection, which keeps owner and mode of a file that is there.
    const words = [...this.#into, '--root', '--wd', 'sh', '-c', 'cat >"$0"', path];
    const { code, stderr } = await run('nsenter', words, { input: text });
    if (code !== 0) throw new Error(stderr);
  }

  /** A program of this machine in the network of that one. */
  startInNetwork(command: string, ...words: readonly string[]) {
    const into = ['--target', String(this.#pid), '--net', command, ...words];
    return start('nsenter', into, { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  get #into(): string[] {
    return ['--target', String(this.#pid), '--all'];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await within(ended(this.#child), 'the machine to end');
  }
}
