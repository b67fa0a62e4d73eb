import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { CloudsNode, type CloudsOptions } from '../../lib/index.js';
import { ChildNode } from '../support/child-node.js';
import { canMakeNamespaces, NetworkNamespace } from '../support/network-namespace.js';
import { measured, outcome, timeOf, until } from '../support/wait.js';

/** A host that loses its power or its cable sends nothing any more, not even the end of its connections. */
describe.skipIf(!canMakeNamespaces())('a host that vanishes without a packet', () => {
  let network: NetworkNamespace;
  let redis: PrivateRedis;
  let victim: ChildNode;
  const nodes: CloudsNode[] = [];

  const options = (host = '127.0.0.1'): CloudsOptions => ({
    redis: { host, port: redis.port },
    prefix: 'vanish:',
  });

  async function connected(): Promise<CloudsNode> {
    const node = new CloudsNode(options());
    nodes.push(node);
    await node.connect();
    return node;
  }

  beforeEach(async () => {
    network = NetworkNamespace.create();
    const { hostAddress, prefix } = network;
    redis = await startPrivateRedis({
      args: ['--bind', '127.0.0.1', hostAddress, '--protected-mode', 'no'],
    });
    victim = await ChildNode.start(options(hostAddress), ['work'], prefix);
  });

  afterEach(async () => {
    await victim.kill();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    await redis.stop();
    network.remove();
  });

  it(
    'keeps a call until its timeout, and with pemit it is answered by another before its deadline',
    { timeout: 40_000 },
    async () => {
      const caller = await connected();
      expect(await caller.send('work')).toBe(victim.id);
      const held = caller.send('work', { hold: true }, { timeout: 6000 });
      const moved = caller.pemit(2, 'work', { ms: 10_000 }, { timeout: 20_000 });
      await until('the victim has both', () => victim.runs.length === 3);
      const other = await connected();
      await other.register('work', () => 'other');
      network.vanish();

      const ms = await timeOf(moved);

      measured('vanished host, pemit', ms);
      expect(await outcome(moved)).toBe('ok');
      expect(await moved).toBe('other');
      // Three heartbeats, and one in which a Redis that lost all could have got the entry back.
      expect(ms).toBeLessThan(6000);
      expect(await outcome(held)).toBe('CLOUDS_TIMEOUT');
    },
  );

  it(
    'notices it within five seconds, and serves again when it is back',
    { timeout: 40_000 },
    async () => {
      const caller = await connected();
      expect(await caller.send('work')).toBe(victim.id);
      network.vanish();

      await until('it knows', () => victim.said.some((word) => 'reconnecting' in word), 5000);
      network.comeBack();

      await until(
        'it serves',
        async () => (await outcome(caller.send('work', 0, { timeout: 500 }))) === 'ok',
        10_000,
      );
    },
  );
});
