/** What a command with arguments of its own is: its flags, and what it does. */

/** Flags; true for those with a value. */
export type Flags = Readonly<Record<string, boolean>>;

export interface Command {
  /** Of the command, or of each of its actions. */
  readonly flags: Flags | Readonly<Record<string, Flags>>;
  /** Answers the exit code. `all` are the commands that there are: completion names them. */
  run(args: readonly string[], all: Commands): number | Promise<number>;
}

/** Each is loaded when it is asked for. */
export type Commands = Readonly<Record<string, () => Promise<Command>>>;
