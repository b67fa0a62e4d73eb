import { describe, expect, it } from 'vitest';
import { holdsMessages } from '../../chaos/faults.js';
import { SINGLE_FAULTS } from '../../chaos/single-faults.js';

const names = SINGLE_FAULTS.map(({ name }) => name);

describe('a message on its way', () => {
  it.each(['network stalls', 'Redis frozen', 'CLIENT PAUSE', 'connections reset'])(
    'can be held up: %s',
    (name) => {
      expect(names).toContain(name);
      expect(holdsMessages(name)).toBe(true);
    },
  );

  it.each(['maxmemory reached', 'rights revoked', 'process frozen', 'node restarted by SIGTERM'])(
    'cannot be held up: %s',
    (name) => {
      expect(names).toContain(name);
      expect(holdsMessages(name)).toBe(false);
    },
  );
});
