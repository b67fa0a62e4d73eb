/**
 * Preloaded into every child: when the process that started it is gone, however it went, the child
 * ends too, as on SIGTERM if it can.
 */
const GRACE_MS = 3_000;

process.once('disconnect', () => {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.exit(1), GRACE_MS).unref();
});
// Waiting for that must not keep a child alive that is done.
process.channel?.unref();
