/** What a test asks an app to do. */
export interface Order {
  number: number;
  name: string;
  args: unknown[];
}

export interface Reply {
  number: number;
  result?: unknown;
  error?: string;
}

// Each thing has its own arguments: the test that asks knows them.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Action = (...args: any[]) => unknown;

/**
 * Says that the app is ready, and does what the test asks for. Waiting for orders keeps the process
 * alive until `release`: from then on only the app itself could.
 */
export function takeOrders(actions: { close: Action; [name: string]: Action }): void {
  const all: Record<string, Action> = { ...actions, release: () => process.channel?.unref() };
  process.on('message', (order: Order) => void carryOut(order, all));
  process.channel?.ref();
  process.send!('ready');
}

async function carryOut({ number, name, args }: Order, actions: Record<string, Action>) {
  const reply: Reply = { number };
  try {
    const action = actions[name];
    if (action === undefined) throw new Error('there is no such action');
    reply.result = await action(...args);
  } catch (error) {
    reply.error = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
  }
  process.send!(reply);
}
