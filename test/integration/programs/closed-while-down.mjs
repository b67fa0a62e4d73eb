// Closes its node as soon as that has lost Redis, and says so: nothing may keep the process alive after that.
import { CloudsNode } from 'nestjs-clouds';

const { options } = JSON.parse(process.argv[2]);
const node = new CloudsNode(options);

node.on('reconnecting', async () => {
  await node.close();
  process.send({ closed: true });
});
await node.connect();
process.send({ ready: true });
