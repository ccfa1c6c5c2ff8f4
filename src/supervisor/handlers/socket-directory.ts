/** Where handlers listen: a new directory that nobody but sluice can look into. */
import { closeSync, constants, mkdtempSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { giveTo, removeTree } from '../../base/careful-files.ts';
import type { Account, SluiceOptions } from '../../config/options.ts';
import type { OriginGroupOptions } from '../../upstream/options.ts';
import { UNIX_PREFIX } from '../../upstream/server-names.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** A path of a UNIX socket has 107 bytes (unix(7)); names in the directory need so many. */
const NAME_BYTES_MAX = 48;
const PATH_BYTES_MAX = 107;

export class SocketDirectory {
  #path: string | null = null;
  /** The first part of the names of each handler's sockets: it has the same over reloads. */
  readonly #numbers = new Map<string, number>();

  /** The options with an address for each thread of a handler. */
  place(options: SluiceOptions): SluiceOptions {
    if (options.origins.every(({ handler }) => handler === null)) return options;
    const path = (this.#path ??= newDirectory(options.account));
    return { ...options, origins: options.origins.map((group) => this.#placed(group, path)) };
  }

  /** Once nobody listens there any more. */
  remove(): void {
    if (this.#path !== null) removeTree(this.#path);
    this.#path = null;
  }

  #placed(group: OriginGroupOptions, path: string): OriginGroupOptions {
    const { handler, name } = group;
    if (handler === null) return group;
    const number = this.#numbers.get(name) ?? this.#numbers.size;
    this.#numbers.set(name, number);
    const servers = group.servers.map((server, thread) => ({
      ...server,
      host: `${UNIX_PREFIX}${join(path, `${number}.${thread}`)}`,
    }));
    return { ...group, servers };
  }
}

function newDirectory(account: Account | null): string {
  const [given = tmpdir()] = process.env.RUNTIME_DIRECTORY?.split(':') ?? [];
  const isShort = Buffer.byteLength(given) + NAME_BYTES_MAX <= PATH_BYTES_MAX;
  const path = mkdtempSync(join(isShort ? given : '/tmp', 'sluice-handlers-'));
  if (account === null) return path;
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    giveTo(fd, account);
  } finally {
    closeSync(fd);
  }
  return path;
}
