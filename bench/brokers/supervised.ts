import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs the server, and ends its whole process group when the pipe on the standard input ends: that happens also
 * when the benchmark itself is killed. The shell outlives the signal, to wait for the server. One that changes
 * its user leaves the group, but has written its pid into a file.
 */
const SUPERVISOR = `
command -v "$1" >/dev/null || exit 127
trap : TERM
exec 4<&0 </dev/null
"$@" 4<&- &
server=$!
{ read -r ignored <&4; kill -TERM 0; } &
watcher=$!
wait "$server"
wait "$server"
kill "$watcher" 2>/dev/null
[ -s "$BENCH_PID_FILE" ] || exit
read -r server <"$BENCH_PID_FILE"
while kill -TERM "$server" 2>/dev/null; do sleep 0.2; done
`;
const POLL_MS = 50;

interface Settings {
  readonly env?: Record<string, string>;
  /** Where the server writes its pid, if it is one that changes its user. */
  readonly pidFile?: string;
  /** How long it may take to start. */
  readonly startMs?: number;
}

interface Supervised {
  stop(): Promise<void>;
}

/** Starts a server and waits until it answers; undefined if there is no such program, or it does not start. */
export async function superviseServer(
  command: readonly string[],
  isUp: () => Promise<boolean>,
  { env = {}, pidFile = '', startMs = 10_000 }: Settings = {},
): Promise<Supervised | undefined> {
  // A group of its own, which Ctrl-C does not reach: who owns the server decides when it ends.
  const child = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', ...command], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, ...env, BENCH_PID_FILE: pidFile },
  });
  const stop = () => stopGroup(child);
  const giveUpAt = performance.now() + startMs;
  while (isRunning(child) && performance.now() < giveUpAt) {
    if (await isUp()) return { stop };
    await delay(POLL_MS);
  }
  await stop();
  return undefined;
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

async function stopGroup(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const exited = once(child, 'exit');
  child.stdin!.end();
  await exited;
}
