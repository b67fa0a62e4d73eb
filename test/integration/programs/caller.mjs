// A node that calls: whatever it is told, { service, data, options, times? }, and says how each call ended.
import { CloudsNode } from 'nestjs-clouds';

const { options } = JSON.parse(process.argv[2]);
const node = new CloudsNode(options);

process.on('message', ({ service, data, options, times = 1 }) => {
  for (let i = 0; i < times; i++)
    node.send(service, data, options).then(
      (value) => process.send({ value }),
      ({ code }) => process.send({ error: code }),
    );
});
process.on('disconnect', () => process.exit());

await node.connect();
process.send({ ready: node.id });
