/** A server that fails to listen has taken nothing up, and leaves alone what others serve on its node. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { CloudsClient, CloudsNode, CloudsServer } from 'nestjs-clouds';
import { of } from 'rxjs';
import { outcomeOf, useWorld } from './support/world.js';

const world = useWorld();
const handler = () => Promise.resolve(of('served'));
let node: CloudsNode;
let client: CloudsClient;
let part = 0;

function serverOf(pattern: string, extras: Record<string, unknown>): CloudsServer {
  const server = new CloudsServer(node);
  for (const event of ['first', 'second']) server.addHandler(event, handler, true);
  server.addHandler(pattern, handler, false, extras);
  return server;
}

const listen = (server: CloudsServer) =>
  new Promise<unknown>((resolve) => void server.listen(resolve));
const codeOf = (error: unknown) => (error as { code?: string } | undefined)?.code;
const answerOf = async (pattern: string) => {
  const { values, error } = await outcomeOf(client.send(pattern, 1));
  return codeOf(error) ?? values[0];
};

describe('a server that fails to listen', () => {
  beforeEach(async () => {
    const prefix = `${world.options.prefix}${part++}:`;
    const own = new CloudsNode({ ...world.options, prefix });
    world.ending(() => own.close());
    await own.connect();
    node = own;
    client = world.client({ prefix });
  });

  for (const [what, pattern, capacity, code] of [
    ['a wrong option', 'wrong', 0, 'CLOUDS_BAD_OPTIONS'],
    ['a name that is too long', 'w'.repeat(300), 1, 'CLOUDS_BAD_NAME'],
  ] as const) {
    it(`serves nothing then: ${what}`, async () => {
      assert.equal(codeOf(await listen(serverOf(pattern, { capacity }))), code);
      const answers = await Promise.all(['first', 'second'].map(answerOf));
      assert.deepEqual(answers, ['CLOUDS_NO_NODE', 'CLOUDS_NO_NODE']);
      assert.equal(codeOf((await outcomeOf(client.emit('first', 1))).error), 'CLOUDS_NO_NODE');
    });
  }

  it('may try again', async () => {
    const extras = { capacity: 0 };
    const server = serverOf('third', extras);
    assert.equal(codeOf(await listen(server)), 'CLOUDS_BAD_OPTIONS');
    extras.capacity = 1;
    assert.equal(await listen(server), undefined);
    const answers = await Promise.all(['first', 'second', 'third'].map(answerOf));
    assert.deepEqual(answers, ['served', 'served', 'served']);
  });

  it('as another one on its node has a pattern, takes nothing away from that', async () => {
    assert.equal(await listen(serverOf('third', {})), undefined);
    const error = await listen(serverOf('fourth', {}));
    assert.equal(codeOf(error), 'CLOUDS_BAD_OPTIONS');
    const answers = await Promise.all(['first', 'second', 'third', 'fourth'].map(answerOf));
    assert.deepEqual(answers, ['served', 'served', 'served', 'CLOUDS_NO_NODE']);
  });
});
