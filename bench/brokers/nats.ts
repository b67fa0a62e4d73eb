import type { Broker } from './brokers.js';
import { answers, freePort } from './ports.js';
import { superviseServer } from './supervised.js';

const PORT = 4222;

/** A private one if there is a binary: one that runs here already may have other things to do. */
export async function startNats(note: (line: string) => void): Promise<Broker | undefined> {
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const server = await superviseServer(['nats-server', '-a', '127.0.0.1', '-p', String(port)], () =>
    answers(port),
  );
  if (server) return { url, stop: () => server.stop() };
  if (await answers(PORT)) {
    note('NATS: the one that runs here, as there is no nats-server on the PATH');
    return { url: `nats://127.0.0.1:${PORT}`, stop: () => Promise.resolve() };
  }
  note(`NATS left out: no nats-server on the PATH, and nothing answers on port ${PORT}`);
  return undefined;
}
