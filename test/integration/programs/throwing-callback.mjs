// A callback that throws: an uncaught exception of the process, as in 2012.
import clouds from 'nestjs-clouds/clouds';

process.on('uncaughtException', ({ message }, origin) => {
  process.send({ uncaught: [message, origin] });
  process.exit(7);
});
await clouds.connect({ redis: JSON.parse(process.argv[2]).redis });
clouds.register('math', (err, service) => {
  service.on('sum', (numbers, callback) => callback(null, 6));
  clouds.require('math').emit('sum', [1, 2, 3], () => {
    throw new Error('thrown by a callback');
  });
});
