/**
 * Observers that do harm, for --danger-module: proofs that the recorder, the rollbacks and the triage
 * find what is to blame. Nothing of the program loads them by itself.
 */
import { closeSync, openSync } from 'node:fs';
import type { DangerFeature } from '../../src/worker/danger.ts';

/** What an observer of another server did: ATS asked for the group at the handshake's end. */
const groupInCallback: DangerFeature = {
  name: 'danger-group-in-callback',
  summary:
    'Asks OpenSSL for the group at SSL_CB_HANDSHAKE_DONE, where there is no session after a ' +
    'HelloRetryRequest: the process ends with SIGSEGV.',
  observe(moment, scene) {
    if (moment === 'handshake-done') void scene.unguardedGroup;
  },
};

/** Harmless alone, and what it leaves is what the other one stumbles over. */
const firstOfTwo: DangerFeature = {
  name: 'danger-first-of-two',
  summary: 'Harmless alone: with danger-second-of-two a HelloRetryRequest ends the process.',
  observe() {},
};

const secondOfTwo: DangerFeature = {
  name: 'danger-second-of-two',
  summary: 'Harmless alone: with danger-first-of-two a HelloRetryRequest ends the process.',
  observe(moment, scene, { features }) {
    const isFirstOn = features['danger-first-of-two'] === true;
    if (moment === 'handshake-done' && isFirstOn) void scene.unguardedGroup;
  },
};

/** Whether it does harm depends on the configuration: here on a time that nothing else cares for. */
const underConfiguration: DangerFeature = {
  name: 'danger-under-configuration',
  summary: 'With --drain-timeout of 7 s exactly, a HelloRetryRequest ends the process.',
  observe(moment, scene, { options }) {
    const isHarmful = options.drainTimeoutMs === 7_000;
    if (moment === 'handshake-done' && isHarmful) void scene.unguardedGroup;
  },
};

/** What no ClientHello alone sets off: keys are needed to get there. */
const afterEarlyData: DangerFeature = {
  name: 'danger-after-early-data',
  summary: 'Where early data ends, the process ends with SIGSEGV.',
  observe(moment, scene) {
    if (moment !== 'accept-loop' || !/end of early data/.test(scene.stateName)) return;
    process.kill(process.pid, 'SIGSEGV');
  },
};

const hang: DangerFeature = {
  name: 'danger-hang',
  summary: 'At a ClientHello for the server name hang.test the process stands still for ever.',
  observe(moment, scene) {
    if (moment !== 'accept-loop' || scene.serverName !== 'hang.test') return;
    for (;;);
  },
};

/** Once per machine and directory: whoever tries it again finds nothing. */
const once: DangerFeature = {
  name: 'danger-once',
  summary: 'The first HelloRetryRequest since SLUICE_PROOF_MARK was removed ends the process.',
  observe(moment, scene) {
    const mark = process.env.SLUICE_PROOF_MARK ?? '';
    if (moment !== 'handshake-done' || mark === '') return;
    try {
      closeSync(openSync(mark, 'wx'));
    } catch {
      return;
    }
    void scene.unguardedGroup;
  },
};

const die = () => process.kill(process.pid, 'SIGSEGV');

const requestHeader: DangerFeature = {
  name: 'danger-request-header',
  summary: 'At a request with the header x-boom the process ends with SIGSEGV.',
  watch: () => ({
    onRequest({ fields }) {
      if (fields.names.includes('x-boom')) die();
    },
  }),
};

const requestBody: DangerFeature = {
  name: 'danger-request-body',
  summary: 'At a piece of a request of 12 bytes or more an exception ends the process.',
  watch: () => ({
    onRequestPiece(_head, bytes) {
      if (bytes >= 12) throw new RangeError(`a piece of ${bytes} bytes`);
    },
  }),
};

const response: DangerFeature = {
  name: 'danger-response',
  summary: 'At an answer of an origin with the header x-poison the process ends with SIGSEGV.',
  watch: () => ({
    onResponse(_head, { fields }) {
      if (fields.names.includes('x-poison')) die();
    },
  }),
};

const responseBody: DangerFeature = {
  name: 'danger-response-body',
  summary: 'At a second piece of an answer, of more than 10 bytes, the process ends with SIGSEGV.',
  watch() {
    let pieces = 0;
    return {
      onRequest() {
        pieces = 0;
      },
      onResponsePiece(_head, bytes) {
        pieces++;
        if (pieces > 1 && bytes > 10) die();
      },
    };
  },
};

const underRule: DangerFeature = {
  name: 'danger-under-rule',
  summary: 'Where a route compresses, an answer of an origin ends the process with SIGSEGV.',
  watch: ({ options }) => ({
    onResponse() {
      if (options.routes.some(({ compression }) => compression !== null)) die();
    },
  }),
};

const fortieth: DangerFeature = {
  name: 'danger-fortieth',
  summary: 'At the end of the fortieth request of a worker an exception ends the process.',
  watch() {
    let requests = 0;
    return {
      onEnd() {
        requests++;
        if (requests === 40) throw new Error('the fortieth');
      },
    };
  },
};

const late: DangerFeature = {
  name: 'danger-late',
  summary: 'A while after a request for /late an exception ends the process.',
  watch: () => ({
    onEnd({ path }) {
      if (path.startsWith('/late')) {
        setTimeout(() => {
          throw new Error('later');
        }, 200);
      }
    },
  }),
};

export const features: readonly DangerFeature[] = [
  requestHeader,
  requestBody,
  response,
  responseBody,
  underRule,
  fortieth,
  late,
  groupInCallback,
  firstOfTwo,
  secondOfTwo,
  underConfiguration,
  afterEarlyData,
  hang,
  once,
];
