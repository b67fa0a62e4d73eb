import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReplyError, withRedis } from './resp.mjs';

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 3_000;
const PROBE_TIMEOUT_MS = 1_000;
const POLL_MS = 20;
const PORT_ATTEMPTS = 5;
const OUTPUT_TAIL = 4_000;

/**
 * Runs the server and waits for it. Its standard input is a pipe nobody writes to: it ends when the
 * owner is gone, however it went, and then the server is killed. Descriptor 3 takes the server's
 * pid. The supervisor closes its own output: writing to an owner who is gone would end it before it
 * has tidied up.
 */
const SUPERVISOR = `
dir=$1; shift
exec 4<&0 </dev/null
{ exec "$@" 3>&- 4<&-; } &
server=$!
echo "$server" >&3
exec 3>&-
{ read -r ignored <&4; kill -KILL "$server"; } >/dev/null 2>&1 &
watcher=$!
exec 4<&- >/dev/null 2>&1
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
rm -rf "$dir"
exit "$code"
`;

/**
 * @typedef {import('node:child_process').ChildProcess} ChildProcess
 *
 * @typedef {object} PrivateRedis
 * @property {string} url
 * @property {number} port
 * @property {number} pid of the server itself: signals may be sent to it
 * @property {string} binary
 * @property {ChildProcess} process the supervisor; it exits when the server has ended
 * @property {Promise<void>} exited resolves when the server has ended, whoever ended it
 * @property {(signal?: NodeJS.Signals) => Promise<void>} stop
 */

/**
 * @param {string} binary
 * @param {string[]} args
 * @param {number} [port]
 * @returns {Promise<PrivateRedis>}
 */
export async function startServer(binary, args, port) {
  if (port !== undefined) return startOn(port, binary, args);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), binary, args);
    } catch (error) {
      // Between finding a free port and using it, somebody else may have taken it.
      const taken = /address already in use/i.test(String(error));
      if (!taken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

/**
 * @param {number} port
 * @param {string} binary
 * @param {string[]} args
 * @returns {Promise<PrivateRedis>}
 */
async function startOn(port, binary, args) {
  const child = await superviseServer(port, binary, args);
  const outputTail = collectTail(child);
  const exited = once(child, 'exit').then(() => {});
  const closed = once(child, 'close');
  const pid = Number(await text(/** @type {any} */ (child.stdio[3])));
  const url = `redis://127.0.0.1:${port}`;

  if (!(await comesUp(url, pid, child))) {
    sendSignal(child, pid, 'SIGKILL');
    await closed;
    throw new Error(`${binary} did not start at ${url}. The end of its output:\n${outputTail()}`);
  }
  /** @type {Promise<void> | undefined} */
  let stopping;
  const stop = (/** @type {NodeJS.Signals} */ signal = 'SIGTERM') =>
    (stopping ??= stopServer(child, pid, exited, signal));
  return { url, port, pid, binary, process: child, exited, stop };
}

/**
 * In a process group of its own: Ctrl-C must not reach the server before its owner is done with it.
 *
 * @param {number} port
 * @param {string} binary
 * @param {string[]} args
 */
async function superviseServer(port, binary, args) {
  const dir = await mkdtemp(path.join(tmpdir(), 'nestjs-clouds-redis-'));
  const defaults = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir];
  const memoryOnly = ['--save', '', '--appendonly', 'no'];
  const command = [binary, ...defaults, ...memoryOnly, ...args];
  const child = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', dir, ...command], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  await once(child, 'spawn');
  return child;
}

/**
 * @param {ChildProcess} child
 * @returns {() => string} the end of what it has printed so far
 */
function collectTail(child) {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      tail = (tail + chunk).slice(-OUTPUT_TAIL);
    });
  }
  return () => tail.trim();
}

/**
 * @param {string} url
 * @param {number} pid
 * @param {ChildProcess} child
 */
async function comesUp(url, pid, child) {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (isRunning(child) && Date.now() < deadline) {
    if (await answersAs(url, pid)) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/**
 * Asking for the pid tells this server from another one that took the port a moment before.
 *
 * @param {string} url
 * @param {number} pid
 */
async function answersAs(url, pid) {
  try {
    return await withRedis(url, PROBE_TIMEOUT_MS, async (command) => {
      await command('PING');
      return String(await command('INFO', 'server')).includes(`process_id:${pid}\r\n`);
    });
  } catch (error) {
    // Started with a password in its arguments: it is up, and its caller knows how to sign in.
    return error instanceof ReplyError && error.code === 'NOAUTH';
  }
}

/**
 * @param {ChildProcess} child
 * @param {number} pid
 * @param {Promise<void>} exited
 * @param {NodeJS.Signals} signal
 */
async function stopServer(child, pid, exited, signal) {
  sendSignal(child, pid, signal);
  sendSignal(child, pid, 'SIGCONT'); // a paused server would not see the signal
  const timer = setTimeout(() => sendSignal(child, pid, 'SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
  child.stdout?.destroy();
  child.stderr?.destroy();
}

/**
 * @param {ChildProcess} child
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 */
function sendSignal(child, pid, signal) {
  // Once the supervisor has exited, the pid may belong to somebody else.
  if (!isRunning(child)) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    const alreadyGone = /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
    if (!alreadyGone) throw error;
  }
}

/** @param {ChildProcess} child */
function isRunning(child) {
  return child.exitCode === null && child.signalCode === null;
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}
