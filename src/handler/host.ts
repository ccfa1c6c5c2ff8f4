/** A handler's process: its threads, and what the supervisor is told of them. */
import type { HostCommand, HostReport, HostSetup } from './contract.ts';
import { ThreadPlace } from './thread-place.ts';

class HandlerHost {
  #places: ThreadPlace[] = [];
  /** Those that have not loaded the module yet. */
  #loading = 0;
  #ended = 0;
  #hasFailed = false;

  take(command: HostCommand): void {
    if (command.type === 'start') {
      this.#start(command.setup);
    } else if (command.type === 'publish') {
      for (const index of command.threads) this.#places[index]?.publish();
      tell({ type: 'published' });
    } else {
      for (const place of this.#places) place.drain(command);
    }
  }

  #start(setup: HostSetup): void {
    this.#loading = setup.options.threads;
    this.#places = setup.sockets.map((_socket, index) => {
      return new ThreadPlace({
        ...{ setup, index },
        onLoaded: () => this.#loaded(),
        onFailed: (message) => this.#failed(message),
        onFiles: (files) => tell({ type: 'files', files }),
        onFault: (fault) => tell({ type: 'fault', fault }),
        onRestart: (delayMs) => tell({ type: 'restart', thread: index, delayMs }),
        onEnd: () => this.#threadEnded(),
      });
    });
    for (const place of this.#places) place.start();
  }

  #loaded(): void {
    this.#loading--;
    if (this.#loading === 0) tell({ type: 'ready' });
  }

  #failed(message: string): void {
    if (!this.#hasFailed) tell({ type: 'failed', message });
    this.#hasFailed = true;
  }

  #threadEnded(): void {
    this.#ended++;
    // Nothing else holds the process.
    if (this.#ended === this.#places.length) process.disconnect!();
  }
}

function tell(report: HostReport): void {
  // A supervisor that is gone hears nothing any more.
  if (process.connected) process.send!(report, undefined, {}, () => {});
}

if (process.send !== undefined) {
  const host = new HandlerHost();
  process.on('message', (command: HostCommand) => host.take(command));
  // Whoever started it has ended, or has no more use for it.
  process.on('disconnect', () => process.exit(0));
}
