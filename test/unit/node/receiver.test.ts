import { expect, it } from 'vitest';
import { Receiver } from '../../../lib/node/receiver.js';
import type { Outbox } from '../../../lib/node/outbox.js';
import { idsMessage, receivedMessage } from '../../../lib/protocol/encode.js';
import type { DropReason } from '../../../lib/protocol/frames.js';
import { Signer } from '../../../lib/protocol/signer.js';
import { MAX_AGE_MS, Verifier } from '../../../lib/protocol/verifier.js';
import { pass, turn, useFakeClock } from '../fakes/clock.js';

useFakeClock();

const KEY = 'k'.repeat(32);

function setUp() {
  const signer = new Signer('t:', KEY);
  const verifier = new Verifier('t:', [KEY], true, { incarnation: 'node.1' });
  const dropped: DropReason[] = [];
  const told = { missed: 0 };
  const reporter = {
    dropped: (reason: DropReason) => void dropped.push(reason),
    eventDropped: () => undefined,
    refusedAsFull: () => undefined,
    error: () => undefined,
  };
  const nobody = {} as Outbox;
  const receiver = new Receiver(1000, verifier, nobody, reporter, () => void told.missed++);
  const read = (text: unknown) => receiver.read(Buffer.from(String(text)));
  return { signer, read, dropped, told };
}

it('asks once for what may be missing, when messages came so late that they were dropped', async () => {
  const { signer, read, dropped, told } = setUp();
  const late = [1, 2, 3].map((length) =>
    signer.message('node.1', receivedMessage('caller.1', length)),
  );
  await pass(MAX_AGE_MS + 1);
  for (const text of late) expect(read(text)).toBeUndefined();
  await turn();
  expect(dropped).toEqual(['stale', 'stale', 'stale']);
  expect(told.missed).toBe(1);
});

it('asks for nothing when somebody without a key has sent something', async () => {
  const { read, dropped, told } = setUp();
  read(idsMessage('c', 'caller.1', ['id']));
  read('[1,"c","caller.1",["id"],[1,"AAAAAAAAAAAAAAAAAAAAAA"]]');
  await turn();
  expect(dropped).toEqual(['unsigned', 'tampered']);
  expect(told.missed).toBe(0);
});
