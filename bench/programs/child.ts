import type { Command } from './messages.js';

interface Envelope {
  readonly id: number;
  readonly command: Command;
}

/** What a program can be asked to do. */
export type Handlers = {
  readonly [K in Command['kind']]?: (command: Extract<Command, { kind: K }>) => unknown;
};

/** Answers the commands of the parent, and ends with it. */
export function serveCommands(handlers: Handlers): void {
  // Ctrl-C in a terminal reaches the whole group: the parent decides when a child ends.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit(0));
  process.on('message', ({ id, command }: Envelope) => {
    handle(handlers, command).then(
      (value) => process.send!({ id, value: value ?? null }),
      (error: unknown) => process.send!({ id, error: String((error as Error).stack) }),
    );
  });
}

async function handle(handlers: Handlers, command: Command): Promise<unknown> {
  const handler = handlers[command.kind] as ((command: Command) => unknown) | undefined;
  if (!handler) throw new Error(`this program does not know the command "${command.kind}"`);
  return await handler(command);
}
