#!/usr/bin/env node
/**
 * Starts sluice with the Node that it is made for. Plain JavaScript, for whatever Node runs it
 * first (20 or later): when that is another one, the pinned one takes over, in this process if the
 * Node can replace itself, else as a child whose signals and exit code are passed through.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, isOwn, runtimeEnvironment } from './libatomic.js';
import {
  isCandidate,
  isPlatformSupported,
  isRunning,
  otherRuntime,
  pinnedVersion,
  RUNTIME_VARIABLE,
} from './runtime.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const launcher = join(root, 'bin', 'sluice.js');
const source = new URL('../src/cli/main.ts', import.meta.url);
const words = process.argv.slice(2);

/** node:ffi works without asking; its warning tells users nothing that they could act on. */
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

const MAJOR = pinnedVersion.split('.')[0];

const EXIT_UNSUPPORTED = 1;

/** Signals that a supervisor of ours may get. SIGKILL and SIGSTOP cannot be passed on. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'];

/** Milliseconds between two looks at who our parent is. */
const PARENT_INTERVAL_MS = 250;

/** Before anything takes time: it may end while we start. */
const PARENT = process.ppid;

await launch();

async function launch() {
  if (!isPlatformSupported()) {
    return refuse(
      `runs on Linux (x64, arm64) only, and this is ${process.platform} ${process.arch}; ` +
        'run it in a Linux container or virtual machine',
    );
  }
  const isTaken = refuseForeignCode();
  const named = process.env[RUNTIME_VARIABLE] ?? '';
  if (named !== '' && !isRunning(named)) return replaceBy(named);
  if (await canServeHere()) {
    // Node has opened what the environment named before it came to us.
    const canLeave = isTaken && typeof process.execve === 'function';
    if (!canLeave) return serve();
    const flags = process.execArgv;
    return process.execve(process.execPath, [process.execPath, ...flags, launcher, ...words]);
  }
  if (named !== '') {
    return refuse(
      `needs Node ${pinnedVersion} or a later ${MAJOR}, and ${RUNTIME_VARIABLE} is not`,
    );
  }
  const { binary, refusal } = otherRuntime(note);
  if (binary === undefined) refuse(refusal);
  else replaceBy(binary);
}

/** A newer Node of the same major version is taken when all that we call is in it. */
async function canServeHere() {
  const { node } = process.versions;
  if (node === pinnedVersion || !isCandidate(node)) return node === pinnedVersion;
  silenceExperimentalWarnings();
  try {
    const { runtimeFault } = isFromSource()
      ? await import('../src/native/runtime-check.ts')
      : await import('../dist/native/runtime-check.js');
    const fault = runtimeFault();
    if (fault === null) return true;
    note(`Node ${node} is not used, because ${fault}`);
  } catch (error) {
    note(`Node ${node} is not used: ${error.message.split('\n')[0]}`);
  }
  return false;
}

function replaceBy(binary) {
  const environment = environmentOrNull();
  if (environment === null) return;
  if (typeof process.execve === 'function') replaceProcess(binary, environment);
  else runChild(binary, environment);
}

function environmentOrNull() {
  try {
    return runtimeEnvironment();
  } catch (error) {
    refuse(
      `Node ${pinnedVersion} needs libatomic.so.1, and ` +
        `${error.path} cannot be written in its place (${error.code}); run apt-get install libatomic1`,
    );
    return null;
  }
}

/**
 * Compiled code is run: root takes none from a directory in which others may put some, whatever its
 * environment says. Whether it said so.
 */
function refuseForeignCode() {
  const directory = process.env.NODE_COMPILE_CACHE ?? '';
  if (directory === '' || isOwn(directory)) return false;
  // Said once: those that we start do not see it any more.
  delete process.env.NODE_COMPILE_CACHE;
  process.stderr.write(
    `sluice: NODE_COMPILE_CACHE is not used, because others than root can write to ${directory}\n`,
  );
  return true;
}

function note(text) {
  process.stderr.write(`sluice: ${text}\n`);
}

function refuse(why) {
  note(why);
  process.exitCode = EXIT_UNSUPPORTED;
}

/** This Node is the right one. */
async function serve() {
  silenceExperimentalWarnings();
  keepCompiledCode();
  const isSource = isFromSource();
  const { load } = isSource
    ? await import('../src/loading/program.ts')
    : await import('../dist/loading/program.js');
  const { main } = await load(isSource ? fileURLToPath(source) : join(root, 'dist/cli/main.js'));
  await main(words);
}

/** Node strips types from a checkout, but not from an installed package, which has dist/. */
function isFromSource() {
  const isInstalled = root.split('/').includes('node_modules');
  return !isInstalled && existsSync(source);
}

/**
 * Compiled modules are kept in the user's own cache directory, which halves the time to start, and
 * to replace a worker. Not in the shared temporary directory: others could put code there. Children
 * find it in the environment.
 */
function keepCompiledCode() {
  // Set but empty, it would mean the current directory.
  process.env.NODE_COMPILE_CACHE ||= join(cacheDirectory(), 'compiled');
  nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE);
}

/** What NODE_FLAGS does, for a process that is already running. */
function silenceExperimentalWarnings() {
  const emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'object' ? rest[0]?.type : rest[0];
    if (type !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest);
  };
}

/** execve(2): same process, same descriptors, nothing to pass through. */
function replaceProcess(binary, environment) {
  silenceExperimentalWarnings();
  process.execve(binary, [binary, ...NODE_FLAGS, launcher, ...words], environment);
}

function runChild(binary, env) {
  // Handlers run in a later turn, when the child is there; without one, a signal that comes at once
  // would end us and not the child.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  // The channel carries nothing: the child sees it close when we are killed, and ends too.
  const child = spawn(binary, [...NODE_FLAGS, launcher, ...words], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env,
  });
  if (process.env.npm_command !== undefined) endWithParent(child);
  child.on('error', (error) => {
    refuse(`cannot run ${binary} (${error.code}); this system's C library may not be glibc`);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? EXIT_UNSUPPORTED;
      return;
    }
    // Die of the same signal, as the shell would have seen without us.
    process.removeAllListeners(signal);
    process.exitCode = 128 + constants.signals[signal];
    process.kill(process.pid, signal);
  });
}

/** npm's shell ends on SIGTERM without passing it on; sluice is meant. */
function endWithParent(child) {
  const timer = setInterval(() => {
    if (process.ppid === PARENT) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, PARENT_INTERVAL_MS);
  timer.unref();
}
