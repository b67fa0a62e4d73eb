import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from './brokers.js';
import { answers, freePort } from './ports.js';
import { superviseServer } from './supervised.js';

const PORT = 5672;
const START_MS = 60_000;

/** The one that runs here if there is one: a private one takes ten seconds to start. */
export async function startRabbit(note: (line: string) => void): Promise<Broker | undefined> {
  if (await answers(PORT)) {
    return { url: `amqp://127.0.0.1:${PORT}`, stop: () => Promise.resolve() };
  }
  const folder = mkdtempSync(join(tmpdir(), 'bench-rabbit-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  const port = await freePort();
  const env = await settings(folder, port);
  const server = await superviseServer(['rabbitmq-server'], () => answers(port), {
    env,
    pidFile: env.RABBITMQ_PID_FILE,
    startMs: START_MS,
  });
  if (!server) {
    removeFolder();
    note(`RMQ left out: nothing answers on port ${PORT}, and no rabbitmq-server starts`);
    return undefined;
  }
  return { url: `amqp://127.0.0.1:${port}`, stop: () => server.stop().then(removeFolder) };
}

/** All that it writes goes into the folder, and its ports are its own. */
async function settings(
  folder: string,
  port: number,
): Promise<{ RABBITMQ_PID_FILE: string } & Record<string, string>> {
  const plugins = join(folder, 'plugins');
  const config = join(folder, 'rabbitmq.conf');
  writeFileSync(plugins, '[].\n');
  writeFileSync(config, `listeners.tcp.1 = 127.0.0.1:${port}\n`);
  // Where it is installed as a service it gives up root's rights when it starts.
  chmodSync(folder, 0o777);
  return {
    RABBITMQ_NODENAME: `bench-${process.pid}@localhost`,
    // Instead of the system's, which may set ports too.
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_DIST_PORT: String(await freePort()),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
  };
}
