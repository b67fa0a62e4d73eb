/** Compiled, never run: the API of the seed, as its quick start uses it. */
import clouds, {
  type Callback,
  clean,
  Clouds,
  connect,
  disconnect,
  type LocalService,
  register,
  type RemoteService,
  require as requireService,
  unregister,
} from 'nestjs-clouds/clouds';

export async function quickStart(): Promise<void> {
  await clouds.connect({
    redis: { host: '127.0.0.1', port: 6379, db: 4, prefix: 'TEST:' },
    service: { callbackTimeout: 60000 },
  });

  await clouds.register('math', (err, service) => {
    if (err) throw err as Error;
    service.on('sum', (numbers: number[], callback) => {
      callback(
        null,
        numbers.reduce((sum, n) => sum + n, 0),
      );
    });
    service.on('fail', (_: unknown, callback) => callback(new Error('no')));
    service.on('later', (n: number) => Promise.resolve(n + 1));
    service.on('ping', () => 'pong').off('ping');
  });

  const math: RemoteService = clouds.require('math');
  await math.emit('sum', [1, 2, 3]);
  await math.emit<number>('sum', [1, 2, 3], (err, total) => [err, total?.toFixed()]);
  await math.pemit(3, 'sum', [1, 2, 3], (err, total: number | undefined) => [err, total]);
  const total: number = await math.pemit<number>(-1, 'sum', [1, 2, 3]);

  await clouds.clean((err) => err);
  const removed: number = await clouds.clean();
  await clouds.unregister('math', (err) => err);
  await clouds.disconnect();
  return void [total, removed];
}

export async function oneByOne(): Promise<void> {
  await connect();
  const service: LocalService = await register('math');
  const name: string = service.name + requireService('math').name;
  await unregister(name);
  await clean();
  await disconnect((err) => err);
}

export async function several(): Promise<void> {
  const other = new Clouds();
  const told: Callback<number> = (err, value) => [err, value?.toFixed()];
  await other.connect({ prefix: 'other:' });
  await other.clean(told);
}

export async function wrong(): Promise<void> {
  // @ts-expect-error: no such option
  await clouds.connect({ host: '127.0.0.1' });
  // @ts-expect-error: a service has a name
  clouds.require(5);
  // @ts-expect-error: how many attempts comes first
  await clouds.require('math').pemit('sum', [1, 2, 3]);
  // @ts-expect-error: the callback comes last
  await clouds.require('math').emit('sum', [1], 'text');
  // @ts-expect-error: a listener is a function
  (await clouds.register('math')).on('sum', 6);
  // @ts-expect-error: the reply has the type that is asked for
  await clouds.require('math').emit<number>('sum', [1], (_, total?: string) => total);
}
