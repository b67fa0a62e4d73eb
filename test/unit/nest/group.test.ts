import { expect, it } from 'vitest';
import { messages } from '../../../lib/common/messages.js';
import { CloudsServer } from '../../../lib/index.js';

const handler = () => Promise.resolve();
const startOf = (server: CloudsServer) =>
  new Promise((resolve) => void server.listen(resolve).catch(() => undefined));

it.each(['a b', '', 5])('a decorator with the group %j fails the start', async (group) => {
  const server = new CloudsServer();
  server.addHandler('order.paid', handler, true, { group });
  expect(await startOf(server)).toMatchObject({
    code: 'CLOUDS_BAD_OPTIONS',
    details: { option: 'group' },
  });
});

it('handlers of one event that name different groups fail the start', async () => {
  const server = new CloudsServer();
  server.addHandler('order.paid', handler, true, { group: 'mail' });
  server.addHandler('order.paid', () => Promise.resolve(), true, { group: 'audit' });
  expect(await startOf(server)).toMatchObject({
    code: 'CLOUDS_BAD_OPTIONS',
    message: messages.differentGroups('order.paid'),
  });
});
