/** Which words each command takes: for the completion of shells. */
import { commands } from './commands.ts';

/** Flags; true for those with a value. */
export type Flags = Readonly<Record<string, boolean>>;

export interface CommandWords {
  readonly name: string;
  /** Of a command without actions. */
  readonly flags: Flags;
  /** Empty for a command that has none. */
  readonly actions: Readonly<Record<string, Flags>>;
}

type Table = Flags | Readonly<Record<string, Flags>>;

const tables: Readonly<Record<string, () => Promise<{ readonly FLAGS: Table }>>> = {
  cache: () => import('./cache.ts'),
  incidents: () => import('./incidents.ts'),
  check: () => import('./check.ts'),
  completion: () => import('./completion.ts'),
  config: () => import('./config.ts'),
  drain: () => import('./status.ts'),
  rollback: () => import('./features.ts'),
  handshakes: () => import('./handshakes.ts'),
  log: () => import('./log.ts'),
  metrics: () => import('./status.ts'),
  origins: () => import('./origins.ts'),
  reload: () => import('./reload.ts'),
  status: () => import('./status.ts'),
  tls: () => import('./tls.ts'),
  top: () => import('./top.ts'),
  triage: () => import('./triage.ts'),
  upgrade: () => import('./upgrade.ts'),
};

/** Of every command but `run` and `demo`, whose flags are the options. */
export function commandWords(): Promise<CommandWords[]> {
  return Promise.all(
    Object.keys(commands).map(async (name) => {
      const { FLAGS: table = {} } = (await tables[name]?.()) ?? {};
      const isOfActions = Object.values(table).some((value) => typeof value === 'object');
      return isOfActions
        ? { name, flags: {}, actions: table as Readonly<Record<string, Flags>> }
        : { name, flags: table as Flags, actions: {} };
    }),
  );
}

/** What `sluice COMMAND --help` says of its flags: a line for each action, or the one of the command. */
export async function flagLines(command: string): Promise<string> {
  const words = (await commandWords()).find(({ name }) => name === command);
  if (words === undefined) return '';
  const { flags, actions } = words;
  const all = Object.entries(actions).length > 0 ? Object.entries(actions) : [['', flags] as const];
  return all
    .filter(([, of]) => Object.keys(of).length > 0)
    .map(([action, of]) => `  flags${action === '' ? '' : ` of ${action}`}: ${flagsText(of)}\n`)
    .join('');
}

function flagsText(flags: Flags): string {
  const entries = Object.entries(flags);
  return entries.map(([name, hasValue]) => `--${name}${hasValue ? ' …' : ''}`).join('  ');
}
