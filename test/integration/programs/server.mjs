// A node that serves. The data of a call is { key, ms?, hold?, blockMs? }: it says over IPC which key it
// runs, then answers with its node id, after `ms` milliseconds, or never with `hold`; with `blockMs` its
// event loop stands still for so long. The service "long" answers { bytes, values? } with so many bytes, or
// with a stream of so many values of that size.
import { setTimeout as delay } from 'node:timers/promises';
import { CloudsNode } from 'nestjs-clouds';

const { options, services } = JSON.parse(process.argv[2]);
const node = new CloudsNode(options);

async function work({ key, ms, hold, blockMs = 0 } = {}, request) {
  process.send({ run: { key, id: request.id, attempt: request.attempt } });
  const until = performance.now() + blockMs;
  while (performance.now() < until);
  if (hold) await new Promise(() => {});
  if (ms) await delay(ms);
  return node.id;
}

async function* longValues({ bytes, values }) {
  for (let i = 0; i < values; i++) yield 'x'.repeat(bytes);
}

const long = (data) => (data.values ? longValues(data) : 'x'.repeat(data.bytes));

for (const service of services) await node.register(service, service === 'long' ? long : work);
await node.connect();

node.on('reconnecting', () => process.send({ reconnecting: true }));
process.on('message', async () => {
  await node.close();
  process.exit();
});
process.on('disconnect', () => process.exit());
process.send({ ready: node.id });
