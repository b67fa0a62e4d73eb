import { describe, expect, it } from 'vitest';
import { CloudsNoNodeError, CloudsTimeoutError } from '../../../lib/common/errors.js';
import type { ReplySink } from '../../../lib/node/call.js';
import { Emission } from '../../../lib/node/emission.js';
import { RecordingSink } from '../fakes/call.js';

const NO_NODE = new CloudsNoNodeError('nobody');
const LATE = new CloudsTimeoutError('late');

function setUp() {
  const sinks = new Map<string, ReplySink>();
  const outcome = new RecordingSink();
  const deserted: string[] = [];
  const emission = new Emission(
    ({ service }, sink) => void sinks.set(service, sink),
    outcome,
    (service) => void deserted.push(service),
  );
  const send = (...services: string[]) =>
    emission.send(services.map((service) => ({ service, isWildcard: false })));
  return { emission, send, sinks, outcome, deserted };
}

describe('an emission', () => {
  it('is over when all have the event and there are no others', () => {
    const { emission, send, sinks, outcome } = setUp();
    send('a', 'b');
    sinks.get('a')!.end();
    emission.close();
    expect(outcome.outcome).toBeUndefined();
    sinks.get('b')!.end();
    expect(outcome.outcome).toBe('end');
  });

  it('sends to nobody twice', () => {
    const { send, sinks } = setUp();
    send('a');
    const first = sinks.get('a');
    send('a', 'b');
    expect(sinks.get('a')).toBe(first);
    expect(sinks.has('b')).toBe(true);
  });

  it('fails if one was not reached, but not before it is known of all', () => {
    const { emission, send, sinks, outcome } = setUp();
    send('a', 'b');
    emission.close();
    sinks.get('a')!.error(LATE);
    expect(outcome.outcome).toBeUndefined();
    sinks.get('b')!.end();
    expect(outcome.failure).toBe(LATE);
  });

  it('does not fail for one that has no node while another has; that is told', () => {
    const { emission, send, sinks, outcome, deserted } = setUp();
    send('a', 'b');
    sinks.get('a')!.error(NO_NODE);
    sinks.get('b')!.end();
    emission.close();
    expect(outcome.outcome).toBe('end');
    expect(deserted).toEqual(['a']);
  });

  it('fails if nobody has a node', () => {
    const { emission, send, sinks, outcome } = setUp();
    send('a', 'b');
    sinks.get('a')!.error(NO_NODE);
    sinks.get('b')!.error(NO_NODE);
    emission.close();
    expect(outcome.failure).toBe(NO_NODE);
  });

  it('fails if it was not found out whether there are others', () => {
    const { emission, send, sinks, outcome } = setUp();
    send('a');
    sinks.get('a')!.end();
    emission.fail(LATE);
    expect(outcome.failure).toBe(LATE);
  });
});
