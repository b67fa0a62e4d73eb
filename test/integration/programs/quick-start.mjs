// The same with import and promises.
import clouds, { require as requireService } from 'nestjs-clouds/clouds';

await clouds.connect({ redis: JSON.parse(process.argv[2]).redis });
const service = await clouds.register('math');
service.on('sum', (numbers) => numbers.reduce((a, b) => a + b));
process.send({ sum: await requireService('math').pemit(1, 'sum', [1, 2, 3]) });
await clouds.disconnect();
process.send({ disconnected: true });
