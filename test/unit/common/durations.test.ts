import { stat } from 'node:fs/promises';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { watched } from '../../../lib/common/durations.js';

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('work that is watched', () => {
  it('is reported once when it takes too long, and ends as it ends', async () => {
    const onSilent = vi.fn();
    const failing = delay(60).then(() => Promise.reject(new Error('in the end')));
    await expect(watched(failing, 10, onSilent)).rejects.toThrow('in the end');
    expect(onSilent).toHaveBeenCalledOnce();
  });

  it('is not reported when it is done in time', async () => {
    const onSilent = vi.fn();
    expect(await watched(Promise.resolve(1), 10, onSilent)).toBe(1);
    await delay(20);
    expect(onSilent).not.toHaveBeenCalled();
  });

  it('is not reported when only the process stood still, and what it waits for is there', async () => {
    const onSilent = vi.fn();
    // Timers come next.
    await turn();
    const work = watched(stat('.'), 10, onSilent);
    block(60);
    await work;
    expect(onSilent).not.toHaveBeenCalled();
  });
});
