import type { Command } from './messages.js';

interface Envelope {
  readonly id: number;
  readonly command: Command;
}

/** Answers the commands of the parent, one at a time, and ends with it. */
export function serveCommands(handle: (command: Command) => Promise<unknown>): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', ({ id, command }: Envelope) => {
    handle(command).then(
      (value) => process.send!({ id, value: value ?? null }),
      (error: unknown) => process.send!({ id, error: String((error as Error).stack) }),
    );
  });
}
