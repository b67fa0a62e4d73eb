// Does all that a node can do, closes it, and says so: nothing may keep the process alive after that.
import { CloudsNode } from 'nestjs-clouds';

const { options, withCallsOut } = JSON.parse(process.argv[2]);
const node = new CloudsNode(options);
const codes = [];

await node.register('echo', (data) => data);
await node.register('stuck', () => new Promise(() => {}));
await node.connect();
await node.send('echo', { some: 'data' });
await node.emit('echo', 'one way');
await node.send('stuck', 1, { timeout: 50 }).catch(({ code }) => codes.push(code));
await node.clean();
if (withCallsOut) node.pemit(-1, 'stuck').catch(({ code }) => codes.push(code));
await node.close();
process.send({ closed: codes });
