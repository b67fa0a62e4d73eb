import { expect, it } from 'vitest';
import { CloudsServer } from '../../../lib/index.js';

it.each([0, 1.5, 'two', null])(
  'a decorator with the capacity %j fails the start',
  async (capacity) => {
    const server = new CloudsServer();
    server.addHandler('resize', () => Promise.resolve(1), false, { capacity });
    const error = await new Promise((resolve) => void server.listen(resolve));
    expect(error).toMatchObject({ code: 'CLOUDS_BAD_OPTIONS' });
    expect((error as Error).message).toContain('capacity of resize');
  },
);
