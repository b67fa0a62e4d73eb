// A node that serves streams. "endless" is a generator that counts up and never waits, as text of `bytes` or as
// numbers; "looked" answers how many values it has given in all, how many of its generators were left, and the
// heap in bytes.
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { CloudsNode } from 'nestjs-clouds';

const { options } = JSON.parse(process.argv[2]);
const node = new CloudsNode(options);
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
const seen = { pulled: 0, left: 0 };

async function* endless({ bytes = 0 } = {}) {
  try {
    for (let i = 0; ; i++) {
      seen.pulled++;
      yield bytes ? 'x'.repeat(bytes) : i;
    }
  } finally {
    seen.left++;
  }
}

await node.register('endless', endless);
await node.register('looked', () => {
  collectGarbage();
  return { ...seen, heap: process.memoryUsage().heapUsed + process.memoryUsage().external };
});

process.on('disconnect', () => process.exit());
process.send({ ready: node.id });
