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

export const features: readonly DangerFeature[] = [
  groupInCallback,
  firstOfTwo,
  secondOfTwo,
  underConfiguration,
  afterEarlyData,
  hang,
  once,
];
